#include "agent/packages/apt/control_file.hpp"

#include <charconv>

#include "base/text.hpp"

namespace belay::agent::apt {
namespace {

std::string_view line_at(std::string_view text) { return text.substr(0, text.find('\n')); }

// From the value's start to the end of its last continuation line.
std::string_view value_at(std::string_view rest) {
  std::size_t length = line_at(rest).size();
  while (length + 1 < rest.size() && (rest[length + 1] == ' ' || rest[length + 1] == '\t'))
    length += 1 + line_at(rest.substr(length + 1)).size();
  return rest.substr(0, length);
}

}  // namespace

std::string_view Stanza::field(std::string_view name) const {
  for (std::string_view rest = text_; !rest.empty();) {
    const auto line = line_at(rest);
    if (line.size() > name.size() && line[name.size()] == ':' && equal_ignoring_case(line.substr(0, name.size()), name))
      return trim(value_at(rest.substr(name.size() + 1)));
    rest.remove_prefix(line.size() == rest.size() ? line.size() : line.size() + 1);
  }
  return {};
}

std::uint64_t whole_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  return failure == std::errc() ? value : 0;
}

}  // namespace belay::agent::apt
