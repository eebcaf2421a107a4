#include <algorithm>

#include "base/text.hpp"
#include "base/yaml.hpp"

namespace belay::yaml {
namespace {

// YAML looks no further than 1,024 bytes for the colon after a key.
constexpr std::size_t kSimpleKeyMax = 1'000;

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '/' || c == '-';
}

// What some reader takes for something other than text; YAML 1.1's words with it.
bool is_reserved(std::string_view text) {
  static constexpr std::string_view kWords[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"};
  return std::ranges::any_of(kWords, [&](std::string_view word) { return equal_ignoring_case(word, text); });
}

bool is_plain(std::string_view text) {
  if (text.empty() || is_reserved(text) || text.back() == ' ') return false;
  const char first = text.front();
  if (!((first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || first == '_' || first == '/')) return false;
  return std::ranges::all_of(text, [](char c) { return is_word(c) || c == ' ' || c == ':' || c == ','; }) &&
         text.find(": ") == std::string_view::npos && text.back() != ':';
}

bool has_control(std::string_view text, bool lines_allowed) {
  return std::ranges::any_of(text, [&](char c) {
    if (c == '\n') return !lines_allowed;
    return (static_cast<unsigned char>(c) < 0x20) || c == 0x7f;
  });
}

bool fits_literal(std::string_view text) {
  return text.find('\n') != std::string_view::npos && text.front() != ' ' && text.front() != '\n' &&
         !has_control(text, true) && text.find_first_not_of(" \n") != std::string_view::npos &&
         text.find(" \n") == std::string_view::npos && text.back() != ' ';
}

std::string quoted(std::string_view text) {
  if (has_control(text, false)) return boost::json::serialize(json::Value(text));
  std::string out = "'";
  for (const char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

std::string flow_text(std::string_view text) { return is_plain(text) ? std::string(text) : quoted(text); }

void write_literal(std::string_view text, std::size_t indent, std::string& out) {
  out += '|';
  const bool ends = text.ends_with('\n');
  if (!ends) out += '-';
  else if (text.ends_with("\n\n")) out += '+';
  if (ends) text.remove_suffix(1);
  for (const auto line : split(text, '\n')) {
    out += '\n';
    if (!line.empty()) out.append(indent, ' ').append(line);
  }
  out += '\n';
}

void write(const json::Value& value, std::size_t indent, bool in_list, std::string& out);

void write_members(const json::Object& object, std::size_t indent, bool in_list, std::string& out) {
  bool first = in_list;
  for (const auto& member : object) {
    if (!std::exchange(first, false)) out.append(indent, ' ');
    const auto key = flow_text(member.key());
    if (key.size() <= kSimpleKeyMax) out += key + ":";
    else (out += "? " + key + "\n").append(indent, ' ') += ':';
    write(member.value(), indent + 2, false, out);
  }
}

// After "key:" or "-": a scalar on the same line, or a block on the next.
void write(const json::Value& value, std::size_t indent, bool in_list, std::string& out) {
  if (const auto* object = value.if_object(); object && !object->empty()) {
    out += in_list ? " " : "\n";
    return write_members(*object, indent, in_list, out);
  }
  if (const auto* array = value.if_array(); array && !array->empty()) {
    out += '\n';
    for (const auto& item : *array) {
      out.append(indent, ' ') += '-';
      write(item, indent + 2, true, out);
    }
    return;
  }
  out += ' ';
  const auto* text = value.if_string();
  if (!text) out += boost::json::serialize(value) + "\n";
  else if (!text->empty() && fits_literal(*text)) write_literal(*text, indent, out);
  else out += flow_text(*text) + "\n";
}

}  // namespace

std::string to_text(const json::Value& value) {
  std::string out;
  if (const auto* object = value.if_object(); object && !object->empty()) {
    write_members(*object, 0, false, out);
  } else if (const auto* array = value.if_array(); array && !array->empty()) {
    for (const auto& item : *array) {
      out += '-';
      write(item, 2, true, out);
    }
  } else {
    out = (value.is_string() ? quoted(value.get_string()) : boost::json::serialize(value)) + "\n";
  }
  return out;
}

}  // namespace belay::yaml
