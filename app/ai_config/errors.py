from app.core.errors import BadRequest, Conflict, NotFound


class AgentTypeUnknown(NotFound):
    code, title = "agent_type_unknown", "No such agent"
    detail = "There is no agent of this type."


class ConfigVersionUnknown(NotFound):
    code, title = "config_version_unknown", "No such version"
    detail = "This agent never had a configuration of that version."


class ConfigInvalid(BadRequest):
    code, title = "config_invalid", "The configuration is not valid"
    detail = "Some of the values cannot be used."


class CandidateMissing(Conflict):
    code, title = "candidate_missing", "There is no candidate"
    detail = "No version of this agent is being rolled out."


class ConfigMissing(Conflict):
    code, title = "config_missing", "The agent has no configuration"
    detail = "The default configurations have not been stored yet."


class PriorityWeightsInvalid(BadRequest):
    code, title = "priority_weights_invalid", "The weights are not valid"
    detail = "Some of the values cannot be used."


class PriorityWeightsVersionUnknown(NotFound):
    code, title = "priority_weights_version_unknown", "No such version"
    detail = "There never were weights of that version."


class AbstentionInvalid(BadRequest):
    code, title = "abstention_invalid", "The value is not valid"
    detail = "The value cannot be used."


class AbstentionVersionUnknown(NotFound):
    code, title = "abstention_version_unknown", "No such version"
    detail = "There never was a value of that version."
