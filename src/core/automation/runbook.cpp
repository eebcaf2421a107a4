#include "core/automation/runbook.hpp"

#include <algorithm>
#include <set>

#include "base/text.hpp"
#include "core/automation/requests.hpp"

namespace belay::automation {
namespace {

using document::Reader;

// What each action takes ("!" in front: it must be there), what it gives, how long it may take.
struct ActionRow {
  std::string_view action, inputs, outputs;
  std::int64_t timeout_s, timeout_s_max;
};
constexpr std::int64_t kHour = 3'600, kDay = 86'400, kWeek = 604'800, kMonth = 2'592'000;
constexpr ActionRow kActions[] = {
    {RunCommand::kKind,
     "!DocumentName,DocumentVersion,Parameters,InstanceIds,Targets,TimeoutSeconds,MaxConcurrency,MaxErrors,Comment",
     "CommandId,Status,ResponseCode,Output,OutputPayload", 2 * kDay, kMonth},
    {ExecuteAutomation::kKind,
     "!DocumentName,DocumentVersion,RuntimeParameters,Targets,TargetParameterName,MaxConcurrency,MaxErrors",
     "ExecutionId,Status,Output", 2 * kDay, kMonth},
    {InvokeWebhook::kKind, "!Url,Body", "Response,ResponseCode", 60, kHour},
    {"belay:invokeWebhook", "!Url,Body", "Response,ResponseCode", 60, kHour},
    {CreateTags::kKind, "ResourceType,!ResourceIds,!Tags", "", 600, kHour},
    {Approve::kKind, "!Approvers,MinRequiredApprovals,Message,NotificationArn", "ApprovalStatus,ApproverDecisions",
     kWeek, kMonth},
    {Pause::kKind, "", "", kWeek, kMonth},
    {Sleep::kKind, "Duration,Timestamp", "", kMonth, kMonth},
    {Branch::kKind, "!Choices,Default", "", kHour, kHour},
};
constexpr std::string_view kNotThereYet[] = {"aws:assertAwsResourceProperty",
                                             "aws:changeInstanceState",
                                             "aws:copyImage",
                                             "aws:createImage",
                                             "aws:createStack",
                                             "aws:deleteImage",
                                             "aws:deleteStack",
                                             "aws:executeAwsApi",
                                             "aws:executeScript",
                                             "aws:executeStateMachine",
                                             "aws:invokeLambdaFunction",
                                             "aws:loop",
                                             "aws:runInstances",
                                             "aws:updateVariable",
                                             "aws:waitForAwsResourceProperty"};
constexpr std::string_view kGlobals[] = {"automation:EXECUTION_ID", "global:DATE", "global:DATE_TIME", "global:REGION"};

const ActionRow* find_action(std::string_view action) {
  const auto at = std::ranges::find(kActions, action, &ActionRow::action);
  return at == std::end(kActions) ? nullptr : at;
}

bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && text.size() <= 128 && !(text[0] >= '0' && text[0] <= '9') && std::ranges::all_of(text, fits);
}

class RunbookParser {
 public:
  explicit RunbookParser(const MarkedValue& content) : content_(content), reader_(content) {}

  Result<Runbook> parse() {
    const auto* root = reader_.object(content_.value, "");
    if (!root) return reader_.error();
    if (const auto version = document::schema_version_of(content_.value); version != "0.3") {
      reader_.refuse("schemaVersion", "is '" + sanitize(version, 20) + "'; an Automation document has \"0.3\"");
      return reader_.error("InvalidDocumentSchemaVersion");
    }
    reader_.only(*root, "", {"schemaVersion", "description", "assumeRole", "parameters", "outputs", "mainSteps"});
    runbook_.description = reader_.text(*root, "", "description", false, 16'384);
    runbook_.assume_role = reader_.text(*root, "", "assumeRole");
    runbook_.parameters = document::read_parameters(reader_, root->if_contains("parameters"), true);
    note_references(json::Value(runbook_.assume_role), "assumeRole");
    read_steps(*root);
    read_outputs(*root);
    check_jumps();
    check_usage();
    if (!reader_.ok()) return reader_.error();
    return std::move(runbook_);
  }

 private:
  void read_steps(const json::Object& root) {
    const auto* steps = root.if_contains("mainSteps");
    if (!steps || !steps->is_array() || steps->get_array().empty())
      return reader_.refuse("mainSteps", "expected a list of one step or more");
    if (steps->get_array().size() > kRunbookStepsMax) return reader_.refuse("mainSteps", "has more than 100 steps");
    for (std::size_t i = 0; i < steps->get_array().size(); ++i) {
      const auto path = item_path("mainSteps", i);
      if (const auto* step = reader_.object(steps->get_array()[i], path)) read_step(*step, path);
    }
  }

  void read_step(const json::Object& object, const std::string& path) {
    reader_.only(object, path,
                 {"name", "action", "description", "inputs", "maxAttempts", "timeoutSeconds", "onFailure", "onCancel",
                  "isEnd", "isCritical", "nextStep", "outputs"});
    RunbookStep step;
    step.name = reader_.text(object, path, "name", true);
    step.action = reader_.text(object, path, "action", true);
    step.description = reader_.text(object, path, "description", false, 16'384);
    if (!step.name.empty() && !is_name(step.name))
      reader_.refuse(member_path(path, "name"), "is no name: letters, digits and '_', no digit first");
    if (std::ranges::find(runbook_.steps, step.name, &RunbookStep::name) != runbook_.steps.end())
      reader_.refuse(member_path(path, "name"), "'" + sanitize(step.name, 60) + "' is the name of another step");
    read_flow(object, path, step);
    static const json::Value kNone = json::Object();
    const auto* inputs = object.if_contains("inputs");
    if (const auto* given = reader_.object(inputs ? *inputs : kNone, member_path(path, "inputs"))) step.inputs = *given;
    if (const auto* row = check_action(step.action, path)) {
      const auto seconds = reader_.integer(object, path, "timeoutSeconds", 1, row->timeout_s_max);
      step.timeout = Duration(seconds.value_or(row->timeout_s) * 1'000);
      step.timeout_given = seconds.has_value();
      check_inputs(*row, step, member_path(path, "inputs"));
      read_output_rules(object, path, *row, step);
    }
    paths_.push_back(path);
    runbook_.steps.push_back(std::move(step));
  }

  const ActionRow* check_action(const std::string& action, const std::string& path) {
    const auto* row = find_action(action);
    if (row || action.empty()) return row;
    const bool known = std::ranges::find(kNotThereYet, action) != std::end(kNotThereYet);
    reader_.refuse(member_path(path, "action"),
                   known ? action + " is not there yet" : "there is no action '" + sanitize(action, 60) + "'");
    return nullptr;
  }

  void read_flow(const json::Object& object, const std::string& path, RunbookStep& step) {
    const auto failure = reader_.text(object, path, "onFailure");
    if (failure.starts_with("step:")) {
      step.on_failure = OnFailure::jump;
      step.failure_step = trim(std::string_view(failure).substr(5));
    } else if (failure == "Continue") {
      step.on_failure = OnFailure::proceed;
    } else if (!failure.empty() && failure != "Abort") {
      reader_.refuse(member_path(path, "onFailure"),
                     "is '" + sanitize(failure, 60) + "', expected Abort, Continue or step:NAME");
    }
    const auto cancel = reader_.text(object, path, "onCancel");
    if (cancel.starts_with("step:")) step.cancel_step = trim(std::string_view(cancel).substr(5));
    else if (!cancel.empty() && cancel != "Abort")
      reader_.refuse(member_path(path, "onCancel"), "is '" + sanitize(cancel, 60) + "', expected Abort or step:NAME");
    step.next_step = reader_.text(object, path, "nextStep");
    step.is_end = reader_.flag(object, path, "isEnd", false);
    step.is_critical = reader_.flag(object, path, "isCritical", true);
    step.attempts_max =
        static_cast<std::uint32_t>(reader_.integer(object, path, "maxAttempts", 1, kAttemptsMax).value_or(1));
    if (step.is_end && !step.next_step.empty()) reader_.refuse(member_path(path, "nextStep"), "stands beside isEnd");
  }

  void check_inputs(const ActionRow& row, RunbookStep& step, const std::string& path) {
    const auto known = split(row.inputs, ',');
    if (row.action == InvokeWebhook::kKind && step.inputs.contains("IntegrationName"))
      return reader_.refuse(member_path(path, "IntegrationName"),
                            "integrations are not there yet; give the address itself as Url");
    for (const auto& member : step.inputs) {
      const auto fits = [&](std::string_view one) {
        return one == member.key() || (one.starts_with('!') && one.substr(1) == member.key());
      };
      if (std::ranges::none_of(known, fits))
        reader_.refuse(member_path(path, member.key()),
                       std::string(row.action) + " has no such input" +
                           (row.inputs.empty() ? "" : "; it has " + without_marks(row.inputs)));
    }
    for (const auto one : known)
      if (one.starts_with('!') && !step.inputs.contains(one.substr(1)))
        reader_.refuse(member_path(path, one.substr(1)), "is missing");
    if (row.action == Branch::kKind) return read_choices(step, path);
    bool open = false;
    for (const auto& member : step.inputs) {
      note_references(member.value(), member_path(path, member.key()));
      open = open || !document::references_in(member.value()).empty();
    }
    if (open || !reader_.ok()) return;
    if (const auto built = build_request(step.action, step.inputs); !built.ok())
      reader_.refuse(path, built.error().message());
  }

  static std::string without_marks(std::string_view inputs) {
    std::string out;
    for (const char c : inputs)
      if (c != '!') out += c == ',' ? std::string(", ") : std::string(1, c);
    return out;
  }

  void read_choices(RunbookStep& step, const std::string& path) {
    const auto here = member_path(path, "Choices");
    const auto* choices = step.inputs.if_contains("Choices");
    if (!choices) return;
    if (!choices->is_array() || choices->get_array().empty()) return reader_.refuse(here, "expected a list");
    std::vector<std::string> used;
    for (std::size_t i = 0; i < choices->get_array().size(); ++i)
      step.choices.push_back(read_choice(reader_, choices->get_array()[i], item_path(here, i), used));
    for (const auto& name : used) note_reference(name, here);
    step.default_step = reader_.text(step.inputs, path, "Default");
    if (step.attempts_max > 1) reader_.refuse(here, "a branch is not tried again; take maxAttempts out");
  }

  void read_output_rules(const json::Object& object, const std::string& path, const ActionRow& row, RunbookStep& step) {
    const auto* rules = object.if_contains("outputs");
    if (!rules || rules->is_null()) return;
    const auto here = member_path(path, "outputs");
    if (!rules->is_array()) return reader_.refuse(here, "expected a list");
    if (row.outputs.empty()) return reader_.refuse(here, std::string(row.action) + " has no outputs");
    for (std::size_t i = 0; i < rules->get_array().size(); ++i) {
      const auto at = item_path(here, i);
      const auto* rule = reader_.object(rules->get_array()[i], at);
      if (!rule) continue;
      reader_.only(*rule, at, {"Name", "Selector", "Type"});
      OutputRule read;
      read.name = reader_.text(*rule, at, "Name", true);
      if (!read.name.empty() && !is_name(read.name)) reader_.refuse(member_path(at, "Name"), "is no name");
      const auto type =
          reader_.choice(*rule, at, "Type", "String,StringList,Boolean,Integer,StringMap,MapList", "String");
      boost::describe::enum_from_string(type.c_str(), read.type);
      auto selector = JsonPath::parse(reader_.text(*rule, at, "Selector", true));
      if (!selector.ok()) reader_.refuse(member_path(at, "Selector"), selector.error().message());
      else read.selector = std::move(*selector);
      step.outputs.push_back(std::move(read));
    }
  }

  void read_outputs(const json::Object& root) {
    const auto* outputs = root.if_contains("outputs");
    if (!outputs || outputs->is_null()) return;
    if (!outputs->is_array()) return reader_.refuse("outputs", "expected a list of step.Output");
    for (std::size_t i = 0; i < outputs->get_array().size(); ++i) {
      const auto& value = outputs->get_array()[i];
      const auto path = item_path("outputs", i);
      if (!value.is_string()) {
        reader_.refuse(path, "expected step.Output");
        continue;
      }
      auto name = document::whole_reference(value.get_string());
      if (name.empty()) name = std::string(value.get_string());
      note_reference(name, path);
      runbook_.outputs.push_back(std::move(name));
    }
  }

  void note_references(const json::Value& value, const std::string& path) {
    for (const auto& name : document::references_in(value)) note_reference(name, path);
  }

  // A parameter, or an output of a step that stands before.
  void note_reference(const std::string& name, const std::string& path) {
    const auto refuse = [&](const std::string& why) {
      reader_.refuse(path, "{{ " + sanitize(name, 80) + " }} " + why);
    };
    if (std::ranges::find(kGlobals, name) != std::end(kGlobals)) return;
    if (name.starts_with("ssm:")) return refuse("is of Parameter Store, which is not there yet");
    if (name.find(':') != std::string::npos) return refuse("is not known here");
    const auto dot = name.find('.');
    const auto head = name.substr(0, std::min(name.find_first_of(".["), name.size()));
    if (document::find_parameter(runbook_.parameters, head)) {
      used_.insert(head);
      if (head != name && !JsonPath::parse(name).ok()) refuse("is no path");
      return;
    }
    const auto step = std::ranges::find(runbook_.steps, head, &RunbookStep::name);
    if (step == runbook_.steps.end() || dot == std::string::npos)
      return refuse("names no parameter and no output of a step before it");
    const auto rest = name.substr(dot + 1);
    const auto output = rest.substr(0, rest.find_first_of(".["));
    const auto own = outputs_of_action(step->action);
    const bool there = std::ranges::find(own, output) != own.end() ||
                       std::ranges::find(step->outputs, output, &OutputRule::name) != step->outputs.end();
    if (!there) return refuse("names an output that the step does not have");
    if (!JsonPath::parse(rest).ok()) refuse("is no path");
  }

  void check_jump(std::size_t from, const std::string& field, const std::string& to) {
    if (to.empty()) return;
    const auto at = std::ranges::find(runbook_.steps, to, &RunbookStep::name);
    const auto path = member_path(paths_[from], field);
    if (at == runbook_.steps.end()) return reader_.refuse(path, "there is no step '" + sanitize(to, 60) + "'");
    if (static_cast<std::size_t>(at - runbook_.steps.begin()) <= from)
      reader_.refuse(path, "goes back to '" + to + "'; steps lead forward only, so that every execution ends");
  }

  void check_jumps() {
    for (std::size_t i = 0; i < runbook_.steps.size(); ++i) {
      const auto& step = runbook_.steps[i];
      check_jump(i, "nextStep", step.next_step);
      check_jump(i, "onFailure", step.failure_step);
      check_jump(i, "onCancel", step.cancel_step);
      check_jump(i, "inputs.Default", step.default_step);
      for (std::size_t k = 0; k < step.choices.size(); ++k)
        check_jump(i, item_path("inputs.Choices", k) + ".NextStep", step.choices[k].next_step);
    }
  }

  void check_usage() {
    for (const auto& parameter : runbook_.parameters)
      if (!used_.contains(parameter.name))
        reader_.refuse(member_path("parameters", parameter.name), "is used nowhere; take it out, or use it");
  }

  const MarkedValue& content_;
  Reader reader_;
  Runbook runbook_;
  std::vector<std::string> paths_;  // of the steps
  std::set<std::string> used_;
};

}  // namespace

Result<Runbook> parse_runbook(std::string_view content, document::Format format) {
  BELAY_TRY_ASSIGN(const auto read, document::read_content(content, format));
  return RunbookParser(read).parse();
}

std::vector<std::string_view> outputs_of_action(std::string_view action) {
  const auto* row = find_action(action);
  return row && !row->outputs.empty() ? split(row->outputs, ',') : std::vector<std::string_view>();
}

namespace {

// Depth first; what was looked at leads back to nothing.
class CycleSearch {
 public:
  CycleSearch(const std::string& name, const RunbookResolver& resolver) : resolver_(resolver) { way_.push_back(name); }

  Status look(const Runbook& runbook) {
    for (const auto& step : runbook.steps) {
      if (step.action != ExecuteAutomation::kKind) continue;
      const auto inner = text_input(step, "DocumentName");
      if (!document::references_in(json::Value(inner)).empty()) continue;
      if (inner == way_.front())
        return Error(Code::invalid_argument, "step " + step.name + " of " + way_.back() + " runs " + inner +
                                                 ", which leads back to itself (" + join(way_, " -> ") + " -> " +
                                                 inner + ")");
      if (!seen_.insert(inner).second) continue;
      if (seen_.size() > kInnerRunbooksMax)
        return Error(Code::resource_exhausted,
                     way_.front() + " leads to more than " + std::to_string(kInnerRunbooksMax) + " other runbooks");
      const auto found = resolver_(inner, text_input(step, "DocumentVersion"));
      if (!found.ok()) continue;
      way_.push_back(inner);
      BELAY_TRY(look(*found));
      way_.pop_back();
    }
    return {};
  }

 private:
  static std::string text_input(const RunbookStep& step, std::string_view name) {
    const auto* value = step.inputs.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
  }

  const RunbookResolver& resolver_;
  std::vector<std::string> way_;
  std::set<std::string> seen_;
};

}  // namespace

Status check_inner_runbooks(const std::string& name, const Runbook& runbook, const RunbookResolver& resolver) {
  return CycleSearch(name, resolver).look(runbook);
}

std::vector<std::string> documents_named(const Runbook& runbook) {
  std::vector<std::string> names;
  for (const auto& step : runbook.steps) {
    const auto* name = step.inputs.if_contains("DocumentName");
    if (name && name->is_string() && document::references_in(*name).empty()) names.emplace_back(name->get_string());
  }
  return names;
}

}  // namespace belay::automation
