#include "core/document/references.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::document {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_character(char c) {
  return is_letter(c) || (c >= '0' && c <= '9') || std::string_view(":./-[]*$").find(c) != std::string_view::npos;
}

// The end of the reference that begins at `begin` ("{{"), its name in `name`; npos where it is none.
std::size_t reference_at(std::string_view text, std::size_t begin, std::string& name) {
  const auto close = text.find("}}", begin);
  if (close == std::string_view::npos) return close;
  const auto inside = trim(text.substr(begin + 2, close - begin - 2));
  if (inside.empty() || !is_letter(inside.front()) || !std::ranges::all_of(inside, is_name_character))
    return std::string_view::npos;
  name = std::string(inside);
  return close + 2;
}

void collect(const json::Value& value, std::vector<std::string>& names) {
  if (const auto* text = value.if_string())
    for (auto& piece : pieces_of(*text))
      if (!piece.name.empty()) names.push_back(std::move(piece.name));
  if (const auto* array = value.if_array())
    for (const auto& item : *array) collect(item, names);
  if (const auto* object = value.if_object())
    for (const auto& member : *object) collect(member.value(), names);
}

Result<json::Value> substitute_text(std::string_view text, const ValueOf& value_of) {
  if (const auto name = whole_reference(text); !name.empty()) return value_of(name);
  std::string out;
  for (const auto& piece : pieces_of(text)) {
    out += piece.text;
    if (piece.name.empty()) continue;
    BELAY_TRY_ASSIGN(const auto value, value_of(piece.name));
    out += text_of(value);
  }
  return json::Value(out);
}

}  // namespace

std::vector<Piece> pieces_of(std::string_view text) {
  std::vector<Piece> pieces;
  std::size_t from = 0;
  for (auto at = text.find("{{"); at != std::string_view::npos; at = text.find("{{", at)) {
    std::string name;
    const auto end = reference_at(text, at, name);
    if (end == std::string_view::npos) {
      ++at;
      continue;
    }
    if (at > from) pieces.push_back({std::string(text.substr(from, at - from)), ""});
    pieces.push_back({"", std::move(name)});
    from = at = end;
  }
  if (from < text.size()) pieces.push_back({std::string(text.substr(from)), ""});
  return pieces;
}

std::string whole_reference(std::string_view text) {
  auto pieces = pieces_of(trim(text));
  return pieces.size() == 1 ? pieces.front().name : std::string();
}

std::vector<std::string> references_in(const json::Value& value) {
  std::vector<std::string> names;
  collect(value, names);
  return names;
}

std::string text_of(const json::Value& value) {
  if (const auto* text = value.if_string()) return std::string(*text);
  return json::to_text(value);
}

Result<json::Value> substitute(const json::Value& value, const ValueOf& value_of) {
  if (const auto* text = value.if_string()) return substitute_text(*text, value_of);
  if (const auto* array = value.if_array()) {
    json::Array out;
    for (const auto& item : *array) {
      BELAY_TRY_ASSIGN(auto replaced, substitute(item, value_of));
      out.push_back(std::move(replaced));
    }
    return json::Value(std::move(out));
  }
  if (const auto* object = value.if_object()) {
    json::Object out;
    for (const auto& member : *object) {
      BELAY_TRY_ASSIGN(auto replaced, substitute(member.value(), value_of));
      out.emplace(member.key(), std::move(replaced));
    }
    return json::Value(std::move(out));
  }
  return value;
}

}  // namespace belay::document
