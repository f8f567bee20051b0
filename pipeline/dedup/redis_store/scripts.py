"""The Lua scripts of the Redis store, one for each verb. The server runs one script at a time, so a script is atomic for its whole batch.

Keys, all under one prefix: `:k:<key>` is a confirmed entry (digest, origin; for a message with versions also `|` and the order), `:c:<key>` a
claim (owner, call), `:o:<owner>` a lease, `:format` the store's format, `:identity` its identity. Every script first checks that the identity is
the one that this process found when it opened the store: without it, the entries are lost too, and with another one this is another store, which
a process made after that. An entry of the former format has its end in Unix ms as text behind the origin.

Entries, claims and leases end by the server's expiry alone, so a script looks at no clock. For a script the server's time stands still.

A *version* in the arguments is digest, origin and order of a claim, one after the other. The scripts compare orders as `message_order` does, byte
by byte: Lua's own comparison of texts depends on the server's locale.
"""

from __future__ import annotations

from pipeline.contracts.message_order import ORDER_BYTES

FORMAT = b"log2mq dedup 2"

READABLE = b"log2mq dedup 1"
"""The format before: no entry has an order."""

LOST = "LOG2MQLOST"
"""The first word of the server's error when the identity is missing, or is another one."""

GUARD = f"""
local prefix = KEYS[1]
-- The second key has the identity in its name; no such key exists. An argument in its place would be counted by each script.
if prefix .. ':' .. (redis.call('GET', prefix .. ':identity') or '') ~= KEYS[2] then
  return redis.error_reply('{LOST} this is not the store that was opened')
end
"""

_ORDERS = f"""
local function is_less(one, other)
  for at = 1, #one do
    local here, there = string.byte(one, at), string.byte(other, at)
    if here ~= there then return here < there end
  end
  return false
end
local function is_same_place(one, other)
  return string.sub(one, 9, 16) == string.sub(other, 9, 16)
end
local function is_older(order, than)
  if order == '' or than == '' then return false end
  if is_same_place(order, than) then return is_less(string.sub(order, 17), string.sub(than, 17)) end
  local none = string.rep('\\0', 8)
  if string.sub(order, 1, 8) == none or string.sub(than, 1, 8) == none then return false end
  return is_less(string.sub(order, 1, 16), string.sub(than, 1, 16))
end
local function succeeding(order, before)
  if before ~= '' and is_same_place(order, before) and is_less(string.sub(order, 1, 8), string.sub(before, 1, 8)) then
    return string.sub(before, 1, 8) .. string.sub(order, 9)
  end
  return order
end
local function order_and_place(entry)
  local _, last = string.find(entry, '^%d*', 17)
  return string.sub(entry, last + 2, last + 1 + {ORDER_BYTES}), last
end
"""

CLAIM = (
    GUARD
    + _ORDERS
    + """
-- Without a time to keep a claim, the script only looks.
local owner, call, keep_claim = ARGV[1], ARGV[2], tonumber(ARGV[3])
local known, holders = {}, {}
for at = 4, #ARGV, 2 do
  known[#known + 1] = prefix .. ':k:' .. ARGV[at]
  holders[#holders + 1] = prefix .. ':c:' .. ARGV[at]
end
local confirmed, claims = redis.call('MGET', unpack(known)), redis.call('MGET', unpack(holders))
local living, granted, advanced, results = {}, {}, {}, {}
local function lives(other)
  if living[other] == nil then living[other] = redis.call('EXISTS', prefix .. ':o:' .. other) == 1 end
  return living[other]
end
local in_doubt = string.rep('\\255', 8)
local function confirmed_result(place, key, version, is_orphaned)
  local before, last = order_and_place(confirmed[place])
  if is_orphaned and before ~= '' then
    confirmed[place] = string.sub(confirmed[place], 1, 8) .. in_doubt .. string.sub(confirmed[place], 17)
    if keep_claim > 0 then redis.call('SETRANGE', known[place], 8, in_doubt) end
  end
  before = advanced[key] or before
  local order = string.sub(version, 17)
  local is_same_version = string.sub(confirmed[place], 1, 8) == string.sub(version, 1, 8)
  local is_same_record = string.sub(confirmed[place], 9, 16) == string.sub(version, 9, 16)
  if is_older(order, before) then
    return (is_same_record or (not is_same_version and is_same_place(order, before))) and 3 or 2
  end
  if not is_same_version then return 0 end
  local is_in_doubt = string.sub(confirmed[place], 9, 16) == in_doubt
  if is_in_doubt and is_older(before, order) then return 0 end
  if order ~= '' then
    advanced[key] = succeeding(order, before)
    if keep_claim > 0 and advanced[key] ~= before then
      redis.call('SETRANGE', known[place], last, '|' .. advanced[key])  -- the time to live stays
    end
  end
  return (is_in_doubt or is_same_record) and 3 or 2
end
for place = 1, #known do
  local key, version, claim, result = ARGV[2 + 2 * place], ARGV[3 + 2 * place], claims[place], 0
  local mine = claim and claim == owner .. call  -- the same call, sent again because its answer was lost
  local is_living = claim and not mine and lives(string.sub(claim, 1, 8))
  if granted[key] or is_living then
    result = 1
  elseif confirmed[place] then
    result = confirmed_result(place, key, version, claim and not mine)
  end
  if result == 0 then
    granted[key] = true
    if keep_claim > 0 then redis.call('SET', holders[place], owner .. call, 'PX', keep_claim) end
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
    GUARD
    + _ORDERS
    + _RELEASE_ONE
    + """
local owner, keep = ARGV[1], ARGV[2]
for at = 3, #ARGV, 2 do
  local name, order, before = prefix .. ':k:' .. ARGV[at], string.sub(ARGV[at + 1], 17), ''
  local entry = string.sub(ARGV[at + 1], 1, 16)
  if order ~= '' then
    local confirmed = redis.call('GET', name)
    if confirmed then before = order_and_place(confirmed) end
    entry = entry .. '|' .. succeeding(order, before)
  end
  if not is_older(order, before) then redis.call('SET', name, entry, 'PX', keep) end
  release_one(ARGV[at], owner)
end
"""
)

RELEASE = (
    GUARD
    + _RELEASE_ONE
    + """
for at = 2, #ARGV do release_one(ARGV[at], ARGV[1]) end
"""
)

LEAVE = (
    GUARD
    + """
for at = 2, #ARGV do
  local name = prefix .. ':c:' .. ARGV[at]
  local claim = redis.call('GET', name)
  if claim and string.sub(claim, 1, 8) == ARGV[1] then
    redis.call('SETRANGE', name, 0, string.rep('\\0', 8))  -- a claim of nobody; the time to live stays
  end
end
"""
)

RENEW = (
    GUARD
    + """
redis.call('SET', prefix .. ':o:' .. ARGV[1], '', 'PX', ARGV[2])
"""
)
