#pragma once
// The parameters a document declares, and the values somebody gives them.
#include <boost/describe.hpp>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/document/reader.hpp"

namespace belay::document {

enum class ParameterType { String, StringList, Boolean, Integer, MapList, StringMap };
BOOST_DESCRIBE_ENUM(ParameterType, String, StringList, Boolean, Integer, MapList, StringMap)

struct Parameter {
  std::string name;
  ParameterType type = ParameterType::String;
  std::string description, display_type;
  std::optional<json::Value> default_value;  // absent: a value must be given
  std::vector<json::Value> allowed_values;
  std::string allowed_pattern;  // a value's text, or each item's, must match it as a whole
  std::optional<std::int64_t> min_chars, max_chars, min_items, max_items;
  bool environment = false;  // interpolationType ENV_VAR: scripts get the value as $SSM_name, never as text
};

using Values = std::map<std::string, json::Value>;
using GivenValues = std::map<std::string, std::vector<std::string>>;  // as the API has them

inline constexpr std::size_t kParametersMax = 200;
inline constexpr std::size_t kValueBytesMax = 1 << 20;  // of all values together

// What stands under `parameters`; problems go to the reader. `automation` lets types of AWS's resources stand for
// String and StringList ("AWS::EC2::Instance::Id", "List<AWS::…>"), as schema 0.3 does.
std::vector<Parameter> read_parameters(Reader& reader, const json::Value* parameters, bool automation = false);

const Parameter* find_parameter(std::span<const Parameter> parameters, std::string_view name);

// Every parameter's value: the one given or the default. invalid_argument "InvalidParameters" names the parameter:
// unknown, missing, of the wrong type, too long, not allowed.
Result<Values> resolve_values(std::span<const Parameter> parameters, const GivenValues& given);
// The same of values that have their types already (aws:runDocument, aws:executeAutomation); a list of one text stands
// for a text, and texts for what they spell.
Result<Values> resolve_typed_values(std::span<const Parameter> parameters, const json::Object& given);

}  // namespace belay::document
