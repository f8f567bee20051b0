"""The Lua scripts of the Redis store, one for each verb. The server runs one script at a time, so a script is atomic for its whole batch.

Keys, all under one prefix: `:k:<key>` is a confirmed entry (digest, origin, end in Unix ms as text), `:c:<key>` a claim (owner, call),
`:o:<owner>` a lease (its end in Unix ms as text), `:format` the store's format. Every script first checks that the format key
exists: without it, the entries are lost too.
"""

from __future__ import annotations

FORMAT = b"log2mq dedup 1"

LOST = "LOG2MQLOST"
"""The first word of the server's error when the format key is missing."""

_GUARD = f"""
local prefix = KEYS[1]
if redis.call('EXISTS', prefix .. ':format') == 0 then return redis.error_reply('{LOST} the format key is missing') end
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
  local mine = claim and claim == owner .. call  -- the same call, sent again because its answer was lost
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

_RELEASE_ONE = """
local function release_one(key, owner)
  local claim = redis.call('GET', prefix .. ':c:' .. key)
  if claim and string.sub(claim, 1, 8) == owner then redis.call('DEL', prefix .. ':c:' .. key) end
end
"""

CONFIRM = (
    _GUARD
    + _RELEASE_ONE
    + """
local owner, until_ms, keep = ARGV[1], ARGV[2], ARGV[3]
for at = 4, #ARGV, 2 do
  redis.call('SET', prefix .. ':k:' .. ARGV[at], ARGV[at + 1] .. until_ms, 'PX', keep)
  release_one(ARGV[at], owner)
end
"""
)

RELEASE = (
    _GUARD
    + _RELEASE_ONE
    + """
for at = 2, #ARGV do release_one(ARGV[at], ARGV[1]) end
"""
)

RENEW = (
    _GUARD
    + """
redis.call('SET', prefix .. ':o:' .. ARGV[1], ARGV[2], 'PX', ARGV[3])
"""
)
