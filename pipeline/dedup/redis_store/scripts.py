"""What the Redis store asks of the server, a script for each verb: the server runs one at a time, so each is atomic for its whole batch.

Keys, all under one prefix: `:k:<key>` is a confirmed entry (digest, origin, end in Unix ms as text), `:c:<key>` a claim (owner, call),
`:o:<owner>` a lease (its end in Unix ms as text), `:format` the store's format. Every script first sees that the format is there: if it
is gone, so is what was remembered.
"""

from __future__ import annotations

FORMAT = b"log2mq dedup 1"

LOST = "LOG2MQLOST"
"""Begins the server's answer when the format key is gone."""

_GUARD = f"""
local prefix = KEYS[1]
if redis.call('EXISTS', prefix .. ':format') == 0 then return redis.error_reply('{LOST} the store has vanished') end
"""

CLAIM = (
    _GUARD
    + """
local now, owner, call, keep_claim = tonumber(ARGV[1]), ARGV[2], ARGV[3], ARGV[4]
local known, holders = {}, {}
for at = 5, #ARGV, 3 do
  known[#known + 1] = prefix .. ':k:' .. ARGV[at]
  holders[#holders + 1] = prefix .. ':c:' .. ARGV[at]
end
local confirmed, claims = redis.call('MGET', unpack(known)), redis.call('MGET', unpack(holders))
local living, granted, results = {}, {}, {}
local function lives(other)
  if living[other] == nil then
    local ends = redis.call('GET', prefix .. ':o:' .. other)
    living[other] = ends and tonumber(ends) > now or false
  end
  return living[other]
end
for place = 1, #known do
  local key, result, claim, entry = ARGV[2 + 3 * place], 0, claims[place], confirmed[place]
  local mine = claim and claim == owner .. call  -- this very call, asked a second time because its answer was lost
  if granted[key] or (claim and not mine and lives(string.sub(claim, 1, 8))) then
    result = 1
  elseif entry and tonumber(string.sub(entry, 17)) > now and string.sub(entry, 1, 8) == ARGV[3 + 3 * place] then
    result = string.sub(entry, 9, 16) == ARGV[4 + 3 * place] and 3 or 2
  else
    granted[key] = true
    redis.call('SET', holders[place], owner .. call, 'PX', keep_claim)
  end
  results[place] = result
end
return table.concat(results)
"""
)

_LET_GO = """
local function let_go(key, owner)
  local claim = redis.call('GET', prefix .. ':c:' .. key)
  if claim and string.sub(claim, 1, 8) == owner then redis.call('DEL', prefix .. ':c:' .. key) end
end
"""

CONFIRM = (
    _GUARD
    + _LET_GO
    + """
local owner, until_ms, keep = ARGV[1], ARGV[2], ARGV[3]
for at = 4, #ARGV, 2 do
  redis.call('SET', prefix .. ':k:' .. ARGV[at], ARGV[at + 1] .. until_ms, 'PX', keep)
  let_go(ARGV[at], owner)
end
"""
)

RELEASE = (
    _GUARD
    + _LET_GO
    + """
for at = 2, #ARGV do let_go(ARGV[at], ARGV[1]) end
"""
)

RENEW = (
    _GUARD
    + """
redis.call('SET', prefix .. ':o:' .. ARGV[1], ARGV[2], 'PX', ARGV[3])
"""
)
