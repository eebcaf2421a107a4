#include "core/automation/values.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/document/script.hpp"

namespace belay::automation {
namespace {

using document::text_of;

Error no_value(const std::string& name, const std::string& why) {
  return Error(Code::invalid_argument, "{{ " + sanitize(name, 80) + " }} has no value: " + why);
}

Result<json::Value> along(const json::Value& value, const std::string& name, std::string_view path) {
  if (path.empty()) return value;
  if (path.front() == '.') path.remove_prefix(1);
  BELAY_TRY_ASSIGN(const auto parsed, JsonPath::parse(path));
  auto found = parsed.find(value);
  if (!found.ok()) return no_value(name, found.error().message());
  return found;
}

// 2026-11-24_18.30.00, as SSM has it.
std::string date_time(Instant now) {
  auto text = to_iso8601(std::chrono::floor<std::chrono::seconds>(now));
  text.pop_back();
  text[10] = '_';
  std::ranges::replace(text, ':', '.');
  return text;
}

Result<json::Value> of_step(const Runbook& runbook, const Execution& execution, const std::string& name,
                            std::size_t dot) {
  const auto head = name.substr(0, dot);
  const auto at = std::ranges::find(runbook.steps, head, &RunbookStep::name);
  if (at == runbook.steps.end()) return no_value(name, "there is no step '" + head + "'");
  const auto& run = execution.steps[static_cast<std::size_t>(at - runbook.steps.begin())];
  const auto rest = name.substr(dot + 1);
  const auto end = std::min(rest.find_first_of(".["), rest.size());
  if (const auto* value = run.outputs.if_contains(rest.substr(0, end))) return along(*value, name, rest.substr(end));
  if (!run.started_at) return no_value(name, "the step " + head + " did not run");
  return no_value(name, "the step " + head + " did not give it");
}

// A text that holds a JSON object or list, so that selectors reach into replies.
json::Value opened(const json::Value& value) {
  const auto* text = value.if_string();
  if (!text || text->empty() || (text->front() != '{' && text->front() != '[')) return value;
  auto parsed = json::parse(std::string_view(*text));
  return parsed.ok() ? *parsed : value;
}

Result<json::Value> as_type(const OutputRule& rule, const json::Value& value) {
  using enum document::ParameterType;
  const auto refuse = [&](std::string_view what) {
    return Error(Code::invalid_argument,
                 "output " + rule.name + " is '" + sanitize(text_of(value), 60) + "', expected " + std::string(what));
  };
  switch (rule.type) {
    case String: return json::Value(text_of(value));
    case StringList: {
      json::Array texts;
      if (const auto* array = value.if_array())
        for (const auto& item : *array) texts.push_back(json::Value(text_of(item)));
      else texts.push_back(json::Value(text_of(value)));
      return json::Value(std::move(texts));
    }
    case Boolean: {
      const auto text = to_lower(text_of(value));
      if (text != "true" && text != "false") return refuse("true or false");
      return json::Value(text == "true");
    }
    case Integer: {
      const auto number = json::decode_text<std::int64_t>(text_of(value));
      if (!number.ok()) return refuse("a whole number");
      return json::Value(*number);
    }
    case StringMap:
      if (const auto map = opened(value); map.is_object()) return map;
      return refuse("a mapping");
    case MapList:
      if (const auto list = opened(value); list.is_array()) return list;
      return refuse("a list of mappings");
  }
  return value;
}

}  // namespace

document::ValueOf values_of(const Runbook& runbook, const Execution& execution, Instant now) {
  return [&runbook, &execution, now](const std::string& name) -> Result<json::Value> {
    if (name == "automation:EXECUTION_ID") return json::Value(execution.id);
    if (name == "global:DATE") return json::Value(to_date(now));
    if (name == "global:DATE_TIME") return json::Value(date_time(now));
    if (name == "global:REGION") return json::Value(execution.region);
    const auto end = std::min(name.find_first_of(".["), name.size());
    if (const auto at = execution.parameters.find(name.substr(0, end)); at != execution.parameters.end())
      return along(at->second, name, std::string_view(name).substr(end));
    if (end < name.size() && name[end] == '.') return of_step(runbook, execution, name, end);
    return no_value(name, "it is no parameter and no step's output");
  };
}

namespace {

constexpr std::string_view kHandedOn[] = {"Parameters", "RuntimeParameters"};

bool is_handed_on(const RunbookStep& step, std::string_view input) {
  return (step.action == RunCommand::kKind || step.action == ExecuteAutomation::kKind) &&
         std::ranges::find(kHandedOn, input) != std::end(kHandedOn);
}

// The runbook's author wrote it.
bool is_vouched_for(const document::Parameter* parameter, const json::Value& value) {
  return parameter && (parameter->default_value == value ||
                       std::ranges::find(parameter->allowed_values, value) != parameter->allowed_values.end());
}

Result<json::Value> guarded(const json::Value& value, const Runbook& runbook, const document::ValueOf& value_of) {
  return document::substitute(value, [&](const std::string& name) -> Result<json::Value> {
    BELAY_TRY_ASSIGN(auto found, value_of(name));
    if (document::is_harmless(text_of(found)) ||
        is_vouched_for(document::find_parameter(runbook.parameters, name), found))
      return found;
    return Error(
        Code::invalid_argument,
        "the value of {{ " + sanitize(name, 80) +
            " }} holds more than letters, digits and _./:@%+,=-, and the document that gets it may run it; hand "
            "a parameter on whole (Name: '{{ Name }}') to a document that guards it",
        "InvalidAutomationExecutionParametersException");
  });
}

// '{{ Name }}' or '{{ Name[0] }}' of a parameter, alone or as the only item of a list.
bool hands_on_whole(const json::Value& value, const Runbook& runbook) {
  const auto* list = value.if_array();
  const auto* text = list && list->size() == 1 ? list->front().if_string() : value.if_string();
  if (!text) return false;
  const auto name = document::whole_reference(*text);
  return document::find_parameter(runbook.parameters, name.substr(0, name.find_first_of(".["))) != nullptr;
}

Result<json::Value> hand_on(const json::Value& value, const Runbook& runbook, const document::ValueOf& value_of) {
  const auto* members = value.if_object();
  if (hands_on_whole(value, runbook)) return document::substitute(value, value_of);
  if (!members) return guarded(value, runbook, value_of);
  json::Object filled;
  for (const auto& member : *members) {
    BELAY_TRY_ASSIGN(auto one, hands_on_whole(member.value(), runbook) ? document::substitute(member.value(), value_of)
                                                                       : guarded(member.value(), runbook, value_of));
    filled.emplace(member.key(), std::move(one));
  }
  return json::Value(std::move(filled));
}

}  // namespace

Result<json::Object> fill_inputs(const RunbookStep& step, const Runbook& runbook, const Execution& execution,
                                 Instant now) {
  const auto value_of = values_of(runbook, execution, now);
  json::Object filled;
  for (const auto& input : step.inputs) {
    BELAY_TRY_ASSIGN(auto value, is_handed_on(step, input.key()) ? hand_on(input.value(), runbook, value_of)
                                                                 : document::substitute(input.value(), value_of));
    filled.emplace(input.key(), std::move(value));
  }
  return filled;
}

Result<json::Object> pick_outputs(const RunbookStep& step, const json::Object& given) {
  json::Object opened_outputs;
  for (const auto& member : given) opened_outputs.emplace(member.key(), opened(member.value()));
  json::Object outputs;
  const json::Value root(std::move(opened_outputs));
  for (const auto& rule : step.outputs) {
    const auto found = rule.selector.find(root);
    if (!found.ok())
      return Error(Code::invalid_argument,
                   "output " + rule.name + ": " + found.error().message() + " in what the step gave");
    BELAY_TRY_ASSIGN(auto value, as_type(rule, *found));
    outputs.insert_or_assign(rule.name, std::move(value));
  }
  for (const auto& member : given)
    if (!outputs.contains(member.key())) outputs.emplace(member.key(), member.value());
  for (auto& member : outputs)
    if (const auto* text = member.value().if_string(); text && text->size() > kOutputTextMax)
      member.value() = sanitize(std::string_view(*text), kOutputTextMax);
  return outputs;
}

std::map<std::string, Texts> final_outputs(const Runbook& runbook, const Execution& execution, Instant now) {
  std::map<std::string, Texts> outputs;
  const auto value_of = values_of(runbook, execution, now);
  for (const auto& name : runbook.outputs) {
    const auto value = value_of(name);
    if (!value.ok()) continue;
    auto& texts = outputs[name];
    if (const auto* array = value->if_array())
      for (const auto& item : *array) texts.push_back(text_of(item));
    else texts.push_back(text_of(*value));
  }
  return outputs;
}

}  // namespace belay::automation
