#include "core/document/parameters.hpp"

#include <algorithm>

#include "base/pattern.hpp"
#include "base/text.hpp"
#include "core/document/references.hpp"

namespace belay::document {
namespace {

using enum ParameterType;

Error refused(std::string what) { return Error(Code::invalid_argument, std::move(what), "InvalidParameters"); }
std::string shown(const json::Value& value) { return "'" + sanitize(text_of(value), 60) + "'"; }

std::int64_t characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

bool is_list_of(const json::Value& value, bool (*is)(const json::Value&)) {
  return value.is_array() && std::ranges::all_of(value.get_array(), is);
}

bool has_type(ParameterType type, const json::Value& value) {
  switch (type) {
    case String: return value.is_string();
    case StringList: return is_list_of(value, [](const json::Value& item) { return item.is_string(); });
    case Boolean: return value.is_bool();
    case Integer: return value.is_int64();
    case MapList: return is_list_of(value, [](const json::Value& item) { return item.is_object(); });
    case StringMap: return value.is_object();
  }
  return false;
}

std::string_view example_of(ParameterType type) {
  switch (type) {
    case String: return "one text";
    case StringList: return "texts";
    case Boolean: return "true or false";
    case Integer: return "a whole number";
    case MapList: return "JSON objects";
    case StringMap: return "one JSON object";
  }
  return "";
}

// The texts a pattern, a length or a list of allowed values is about.
std::vector<json::Value> items_of(const json::Value& value) {
  if (!value.is_array()) return {value};
  return {value.get_array().begin(), value.get_array().end()};
}

Status check_item(const Parameter& parameter, const json::Value& item) {
  if (!parameter.allowed_values.empty() &&
      std::ranges::find(parameter.allowed_values, item) == parameter.allowed_values.end()) {
    json::Array allowed(parameter.allowed_values.begin(), parameter.allowed_values.end());
    return refused("parameter " + parameter.name + " is " + shown(item) + ", expected one of " +
                   sanitize(json::to_text(allowed), 400));
  }
  const auto text = text_of(item);
  if (!is_valid_utf8(text) || text.find('\0') != std::string::npos)
    return refused("parameter " + parameter.name + " is not UTF-8 text without NUL");
  if (parameter.min_chars && characters(text) < *parameter.min_chars)
    return refused("parameter " + parameter.name + " has " + std::to_string(characters(text)) +
                   " characters, at least " + std::to_string(*parameter.min_chars) + " are needed");
  if (parameter.max_chars && characters(text) > *parameter.max_chars)
    return refused("parameter " + parameter.name + " has " + std::to_string(characters(text)) +
                   " characters, at most " + std::to_string(*parameter.max_chars) + " are allowed");
  if (parameter.allowed_pattern.empty()) return {};
  BELAY_TRY_ASSIGN(const auto pattern, Pattern::compile(parameter.allowed_pattern));
  if (pattern.matches_whole(text)) return {};
  return refused("parameter " + parameter.name + " is " + shown(item) + ", which does not match its allowedPattern " +
                 sanitize(parameter.allowed_pattern, 200));
}

Status check_value(const Parameter& parameter, const json::Value& value) {
  if (!has_type(parameter.type, value))
    return refused("parameter " + parameter.name + " is a " + boost::describe::enum_to_string(parameter.type, "?") +
                   ": expected " + std::string(example_of(parameter.type)));
  if (const auto* array = value.if_array()) {
    const auto count = static_cast<std::int64_t>(array->size());
    if ((parameter.min_items && count < *parameter.min_items) || (parameter.max_items && count > *parameter.max_items))
      return refused("parameter " + parameter.name + " has " + std::to_string(count) + " items; " +
                     std::to_string(parameter.min_items.value_or(0)) + " to " +
                     (parameter.max_items ? std::to_string(*parameter.max_items) : std::string("any number")) +
                     " are allowed");
  }
  for (const auto& item : items_of(value)) BELAY_TRY(check_item(parameter, item));
  return {};
}

// A text spells a value of the type, where it can.
json::Value spelled(ParameterType type, const std::string& text) {
  if (type == Boolean && (equal_ignoring_case(text, "true") || equal_ignoring_case(text, "false")))
    return equal_ignoring_case(text, "true");
  if (type == Integer)
    if (const auto number = json::decode_text<std::int64_t>(text); number.ok()) return *number;
  if (type == StringMap || type == MapList)
    if (auto value = json::parse(text); value.ok()) return std::move(*value);
  return json::Value(text);
}

json::Value from_texts(ParameterType type, const std::vector<std::string>& texts) {
  if (type == StringList) return json::Value(json::Array(texts.begin(), texts.end()));
  if (type == MapList) {
    json::Array maps;
    for (const auto& text : texts) {
      auto value = spelled(type, text);
      if (texts.size() == 1 && value.is_array()) return value;
      maps.push_back(std::move(value));
    }
    return json::Value(std::move(maps));
  }
  if (texts.size() == 1) return spelled(type, texts.front());
  return json::Value(json::Array(texts.begin(), texts.end()));  // of no scalar type: refused by the check
}

json::Value from_typed(ParameterType type, const json::Value& value) {
  if (has_type(type, value)) return value;
  if (const auto* text = value.if_string()) {
    if (type == StringList) return json::Value(json::Array{*text});
    return spelled(type, std::string(*text));
  }
  if (const auto* array = value.if_array(); array && array->size() == 1 && array->front().is_string())
    return from_typed(type, array->front());
  if (type == String && (value.is_int64() || value.is_bool())) return json::Value(text_of(value));
  return value;
}

std::optional<ParameterType> type_from(const std::string& text, bool automation) {
  ParameterType type{};
  if (boost::describe::enum_from_string(text.c_str(), type)) return type;
  if (automation && text.starts_with("List<AWS::") && text.ends_with('>')) return StringList;
  if (automation && text.starts_with("AWS::")) return String;
  return {};
}

bool is_name(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !text.empty() && text.size() <= 50 && !(text[0] >= '0' && text[0] <= '9') && std::ranges::all_of(text, fits);
}

class ParameterReader {
 public:
  ParameterReader(Reader& reader, const json::Object& object, std::string path, bool automation)
      : reader_(reader), object_(object), path_(std::move(path)), automation_(automation) {}

  Parameter read(std::string name) {
    parameter_.name = std::move(name);
    reader_.only(object_, path_,
                 {"type", "description", "default", "allowedValues", "allowedPattern", "displayType", "minItems",
                  "maxItems", "minChars", "maxChars", "interpolationType"});
    const auto type_text = reader_.text(object_, path_, "type", true);
    const auto type = type_from(type_text, automation_);
    if (!type && !type_text.empty())
      refuse("type", "is '" + sanitize(type_text, 60) +
                         "', expected String, StringList, Boolean, Integer, MapList or StringMap");
    parameter_.type = type.value_or(String);
    parameter_.description = reader_.text(object_, path_, "description");
    parameter_.display_type = reader_.choice(object_, path_, "displayType", "textfield,textarea", "");
    read_limits();
    read_interpolation();
    if (type) read_default();
    return std::move(parameter_);
  }

 private:
  void refuse(std::string_view field, std::string why) { reader_.refuse(member_path(path_, field), std::move(why)); }

  void read_limits() {
    constexpr std::int64_t kMax = kValueBytesMax;
    parameter_.min_chars = reader_.integer(object_, path_, "minChars", 0, kMax);
    parameter_.max_chars = reader_.integer(object_, path_, "maxChars", 0, kMax);
    parameter_.min_items = reader_.integer(object_, path_, "minItems", 0, kMax);
    parameter_.max_items = reader_.integer(object_, path_, "maxItems", 0, kMax);
    if (parameter_.min_chars && parameter_.max_chars && *parameter_.min_chars > *parameter_.max_chars)
      refuse("minChars", "is above maxChars");
    if (parameter_.min_items && parameter_.max_items && *parameter_.min_items > *parameter_.max_items)
      refuse("minItems", "is above maxItems");
    const bool is_list = parameter_.type == StringList || parameter_.type == MapList;
    if (!is_list && parameter_.min_items) refuse("minItems", "goes with StringList and MapList only");
    if (!is_list && parameter_.max_items) refuse("maxItems", "goes with StringList and MapList only");
    parameter_.allowed_pattern = reader_.text(object_, path_, "allowedPattern");
    if (const auto compiled = Pattern::compile(parameter_.allowed_pattern); !compiled.ok()) {
      refuse("allowedPattern", compiled.error().message());
      parameter_.allowed_pattern.clear();
    }
    const auto* allowed = object_.if_contains("allowedValues");
    if (!allowed || allowed->is_null()) return;
    if (!allowed->is_array() || allowed->get_array().empty()) return refuse("allowedValues", "is no list of values");
    for (const auto& value : allowed->get_array())
      parameter_.allowed_values.push_back(parameter_.type == Boolean || parameter_.type == Integer
                                              ? from_typed(parameter_.type, value)
                                              : from_typed(String, value));
  }

  void read_interpolation() {
    const auto kind = reader_.choice(object_, path_, "interpolationType", "ENV_VAR", "");
    parameter_.environment = kind == "ENV_VAR";
    const bool scalar = parameter_.type == String || parameter_.type == Integer || parameter_.type == Boolean;
    if (parameter_.environment && !scalar)
      refuse("interpolationType", "ENV_VAR goes with String, Integer and Boolean only");
  }

  void read_default() {
    const auto* value = object_.if_contains("default");
    if (!value || value->is_null()) return;
    for (const auto& name : references_in(*value)) {
      if (name.starts_with("ssm:"))
        return refuse("default", "{{ " + name + " }}: parameters of Parameter Store are not there yet");
      return refuse("default", "refers to {{ " + sanitize(name, 60) + " }}; a default is a plain value");
    }
    auto typed = from_typed(parameter_.type, *value);
    if (const auto checked = check_value(parameter_, typed); !checked.ok())
      return refuse("default", checked.error().message());
    parameter_.default_value = std::move(typed);
  }

  Reader& reader_;
  const json::Object& object_;
  std::string path_;
  bool automation_;
  Parameter parameter_;
};

Result<Values> with_defaults(std::span<const Parameter> parameters, Values values) {
  std::size_t bytes = 0;
  for (const auto& parameter : parameters) {
    auto at = values.find(parameter.name);
    if (at == values.end()) {
      if (!parameter.default_value) return refused("parameter " + parameter.name + " has no value and no default");
      at = values.emplace(parameter.name, *parameter.default_value).first;
    }
    BELAY_TRY(check_value(parameter, at->second));
    bytes += text_of(at->second).size();
  }
  if (bytes > kValueBytesMax) return refused("the parameters' values together are over 1 MiB");
  return values;
}

Error unknown(const std::string& name) { return refused("the document has no parameter '" + sanitize(name, 60) + "'"); }

}  // namespace

std::vector<Parameter> read_parameters(Reader& reader, const json::Value* parameters, bool automation) {
  std::vector<Parameter> read;
  if (!parameters || parameters->is_null()) return read;
  const auto* object = reader.object(*parameters, "parameters");
  if (!object) return read;
  if (object->size() > kParametersMax) reader.refuse("parameters", "more than 200 are declared");
  for (const auto& member : *object) {
    const std::string name(member.key());
    const auto path = member_path("parameters", name);
    if (!is_name(name)) reader.refuse(path, "is no name: letters, digits and '_', at most 50, no digit first");
    if (const auto* one = reader.object(member.value(), path))
      read.push_back(ParameterReader(reader, *one, path, automation).read(name));
  }
  return read;
}

const Parameter* find_parameter(std::span<const Parameter> parameters, std::string_view name) {
  const auto at = std::ranges::find(parameters, name, &Parameter::name);
  return at == parameters.end() ? nullptr : &*at;
}

Result<Values> resolve_values(std::span<const Parameter> parameters, const GivenValues& given) {
  Values values;
  for (const auto& [name, texts] : given) {
    const auto* parameter = find_parameter(parameters, name);
    if (!parameter) return unknown(name);
    values.emplace(name, from_texts(parameter->type, texts));
  }
  return with_defaults(parameters, std::move(values));
}

Result<Values> resolve_typed_values(std::span<const Parameter> parameters, const json::Object& given) {
  Values values;
  for (const auto& member : given) {
    const auto* parameter = find_parameter(parameters, member.key());
    if (!parameter) return unknown(std::string(member.key()));
    values.emplace(parameter->name, from_typed(parameter->type, member.value()));
  }
  return with_defaults(parameters, std::move(values));
}

}  // namespace belay::document
