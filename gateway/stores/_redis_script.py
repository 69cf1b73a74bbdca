"""What is Redis asked to do, and in which words?

One script does all of it, in one round trip for as many requests as wait: what was used is put in its place, places are
freed and kept, and then each request takes all that it wants or nothing. Time is the server's. What a bucket holds is a
hash of at most a few periods' counts, places in progress are a sorted set by the moment at which they come free by
themselves; both expire. The rule: numbers are whole and below 2**53, and nothing is written for what is denied.
"""

import hashlib
from typing import Final

LUA: Final = """
local asked, present = cjson.decode(ARGV[1]), {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local DAY, MOST, NOW = 86400000, 9007199254740991, 'now'

local function text(number) return string.format('%.0f', number) end

-- Months since the year 0, by the arithmetic of the Gregorian calendar in years that begin in March.
local function month()
  local day = math.floor(now / DAY) + 719468
  local era = math.floor(day / 146097)
  local of_era = day - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local march = math.floor((5 * of_year + 2) / 153)
  return (year + era * 400) * 12 + march + 2
end

local function period(window)
  if present[window] == nil then
    if window == 'day' then present[window] = math.floor(now / DAY)
    elseif window == 'month' then present[window] = month()
    else present[window] = math.floor(now / (window * 1000)) end
  end
  return present[window]
end

local function lasts(window)
  if window == 'day' then return 2 * DAY elseif window == 'month' then return 62 * DAY end
  return window * 2000
end

local function put(key, window, at, count, fresh)
  redis.call('HSET', key, text(at), text(math.max(0, math.min(MOST, count))))
  if fresh then
    redis.call('PEXPIRE', key, text(lasts(window)))
    redis.call('HDEL', key, text(at - 2), text(at - 3))
  end
end

local function hold(key, holder, amount, only_known)
  for place = 1, amount do
    local member = holder .. '/' .. place
    if only_known then redis.call('ZADD', key, 'XX', text(now + asked.lease), member)
    else redis.call('ZADD', key, text(now + asked.lease), member) end
  end
  redis.call('PEXPIRE', key, text(2 * asked.lease))
end

for _, add in ipairs(asked.add) do
  local key, window, at, delta = KEYS[add[1]], add[2], add[3], add[4]
  local this = period(window)
  at = math.min(at, this)
  if at == this or (type(window) == 'number' and at == this - 1) then
    local count = redis.call('HGET', key, text(at))
    put(key, window, at, (tonumber(count) or 0) + delta, not count)
  end
end
for _, free in ipairs(asked.free) do
  for place = 1, free[3] do redis.call('ZREM', KEYS[free[1]], free[2] .. '/' .. place) end
end
for _, keep in ipairs(asked.keep) do hold(KEYS[keep[1]], keep[2], keep[3], keep[4]) end

local function look(key, window)
  if window == NOW then return redis.call('ZCOUNT', key, '(' .. text(now), '+inf'), 0, false end
  local counts = redis.call('HMGET', key, text(period(window)), text(period(window) - 1))
  return tonumber(counts[1]) or 0, tonumber(counts[2]) or 0, not counts[1]
end

local function used(window, count, before)
  if type(window) ~= 'number' then return count end
  local length = window * 1000
  return count + math.ceil(before * (length - now % length) / length)
end

local answers = {}
for number, take in ipairs(asked.take) do
  local answer, fresh, fits = {now, 1}, {}, true
  for index, want in ipairs(take[2]) do
    local count, before, is_fresh = look(KEYS[want[1]], want[2])
    local lacks = used(want[2], count, before) + want[3] > want[4]
    fits, fresh[index] = fits and not lacks, is_fresh
    for _, told in ipairs({lacks and 1 or 0, count, before}) do answer[#answer + 1] = told end
  end
  if fits then
    for index, want in ipairs(take[2]) do
      local key, window = KEYS[want[1]], want[2]
      if window == NOW then
        redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now))
        hold(key, take[1], want[3], false)
      else
        put(key, window, period(window), answer[3 * index + 1] + want[3], fresh[index])
      end
    end
  else answer[2] = 0 end
  answers[number] = answer
end
return answers
"""
SHA: Final = hashlib.sha1(LUA.encode(), usedforsecurity=False).hexdigest()
