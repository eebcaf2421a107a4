#pragma once
// "{{ name }}" in a text. What stands between the braces is a reference only where it looks like a name; the braces of
// other template languages ({{.Names}}, {{ range . }}) are text. Substitution goes over a text once: what a value
// brings is never read for references again.
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace belay::document {

struct Piece {
  std::string text;  // as it stands; empty where this is a reference
  std::string name;  // "Operation", "ssm:/a/b", "step.Output[0]"
};
std::vector<Piece> pieces_of(std::string_view text);
// The name where the text, apart from white space around it, is one reference and nothing else; else "".
std::string whole_reference(std::string_view text);
// Of every string in the value, keys excepted.
std::vector<std::string> references_in(const json::Value& value);

// As a text inside another: a string as it is, numbers and booleans as JSON spells them, lists and maps as JSON.
std::string text_of(const json::Value& value);

// Every string of the value with its references replaced: one that is a whole reference becomes the value itself, with
// its type; others become text. `value_of` says what a name stands for.
using ValueOf = std::function<Result<json::Value>(const std::string& name)>;
Result<json::Value> substitute(const json::Value& value, const ValueOf& value_of);

}  // namespace belay::document
