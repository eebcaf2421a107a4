#pragma once
// YAML as another spelling of JSON: what people write by hand (documents) comes in and goes out through here.
#include <string>
#include <string_view>

#include "base/marked_json.hpp"

namespace belay::yaml {

// One document of YAML 1.2's JSON-like part: mappings with text keys, lists, scalars, block and flow style, anchors and
// aliases (what they repeat counts against the limits, so a few lines cannot become gigabytes). Refused with line and
// column: tags, merge keys, keys that are no text, a key that stands twice, a second document, an alias inside what it
// names. true/false, null and decimal numbers without leading zeros are what they look like; every other plain scalar
// is text: 0644, 1e, yes, 0x1f stay as written.
Result<MarkedValue> parse(std::string_view text, MarkedLimits limits = {});

// Block style; texts of several lines as literal blocks. parse() of it gives the same value.
std::string to_text(const json::Value& value);

}  // namespace belay::yaml
