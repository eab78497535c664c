-- The conditions are those of kstatus: Ready is always present, Stalled only while it is True.
local status = obj.status
-- observedGeneration is -1 before the first reconciliation.
if status == nil or status.conditions == nil
  or status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "Waiting until this generation is acted on" }
end

local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end

local ready = found["Ready"]
local health = { status = "Progressing", message = "Waiting for a condition" }
if ready ~= nil then
  health.message = ready.reason .. ": " .. ready.message
end
if found["Stalled"] ~= nil and found["Stalled"].status == "True" then
  health.status = "Degraded"
elseif ready ~= nil and ready.status == "True" then
  health.status = "Healthy"
end
return health
