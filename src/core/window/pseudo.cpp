#include "core/window/pseudo.hpp"

#include <algorithm>
#include <functional>
#include <vector>

#include "base/text.hpp"

namespace belay::window {
namespace {

// Calls `found` with each name between braces; what it returns takes its place, or stays where it is nullptr.
std::string each_name(std::string_view text, const std::function<const std::string*(std::string_view)>& found) {
  std::string out;
  while (!text.empty()) {
    const auto open = text.find("{{");
    const auto close = open == std::string_view::npos ? open : text.find("}}", open);
    if (close == std::string_view::npos) break;
    out.append(text.substr(0, open));
    const auto whole = text.substr(open, close + 2 - open);
    const auto* value = found(trim(whole.substr(2, whole.size() - 4)));
    out.append(value ? std::string_view(*value) : whole);
    text.remove_prefix(close + 2);
  }
  return out.append(text);
}

// In whatever case and however the words are joined.
std::string letters_of(std::string_view name) {
  std::string letters = to_lower(name);
  std::erase_if(letters, [](char c) { return c == '_' || c == '-' || c == ' '; });
  return letters;
}

}  // namespace

std::string substitute(std::string_view text, const std::map<std::string, std::string, std::less<>>& values) {
  return each_name(text, [&](std::string_view name) {
    const auto at = values.find(name);
    return at == values.end() ? nullptr : &at->second;
  });
}

std::optional<Mistyped> mistyped(std::string_view text) {
  std::vector<std::string_view> known(std::begin(kPseudoParameters), std::end(kPseudoParameters));
  known.insert(known.end(), std::begin(kNotInRunCommand), std::end(kNotInRunCommand));
  std::optional<Mistyped> found;
  each_name(text, [&](std::string_view name) -> const std::string* {
    if (found || std::ranges::find(known, name) != known.end()) return nullptr;
    for (const auto one : known)
      if (letters_of(name) == letters_of(one)) found = Mistyped{std::string(name), one};
    // Of what only a window has, a slip of the finger is told, too.
    if (const auto near = nearest(name, known); !found && name.starts_with("WINDOW_") && !near.empty())
      found = Mistyped{std::string(name), near};
    return nullptr;
  });
  return found;
}

std::string_view not_in_run_command(std::string_view text) {
  std::string_view used;
  each_name(text, [&](std::string_view name) -> const std::string* {
    for (const auto refused : kNotInRunCommand)
      if (name == refused && used.empty()) used = refused;
    return nullptr;
  });
  return used;
}

}  // namespace belay::window
