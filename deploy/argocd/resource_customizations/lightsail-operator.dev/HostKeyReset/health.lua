-- The conditions are those of a Job (Complete, Failed, Suspended) and of kstatus (Ready, and
-- Stalled only while it is True).
-- https://github.com/OWNER/lightsail-operator/blob/main/docs/hostkeyreset.md#conditions
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
local function is(type)
  return found[type] ~= nil and found[type].status == "True"
end

local health = { status = "Progressing", message = "Waiting for a condition" }
if found["Ready"] ~= nil then
  health.message = found["Ready"].reason .. ": " .. found["Ready"].message
end
-- A reset that ends while it is suspended keeps Suspended.
if is("Complete") then
  health.status = "Healthy"
elseif is("Failed") or is("Stalled") then
  health.status = "Degraded"
elseif is("Suspended") then
  health.status = "Suspended"
end
return health
