#include "agent/packages/apt/preferences.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "agent/packages/apt/control_file.hpp"
#include "base/text.hpp"

namespace belay::agent::apt {
namespace {

std::string without_comments(std::string_view text) {
  std::string clean;
  for (const auto line : split(text, '\n'))
    if (!line.starts_with('#')) clean.append(trim(line).empty() ? std::string_view() : line).push_back('\n');
  return clean;
}

constexpr int kNever = -32768;

std::optional<int> priority_of(std::string_view text) {
  int value = 0;
  if (text == "never") return kNever;  // as Ubuntu Pro's own pins have it
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc() || end != text.data() + text.size() || value < -32768 || value > 32767)
    return std::nullopt;
  return value;
}

bool matches(std::string_view pattern, std::string_view text) { return !text.empty() && glob_match(pattern, text); }

// "a=stable, o=Debian" or the bare "bookworm" of Default-Release, which is a suite, a codename or a version.
bool release_matches(std::string_view argument, const PinContext& context) {
  const auto& release = context.release;
  for (auto part : split(argument, ',')) {
    part = trim(part);
    if (part.empty()) continue;
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) {
      if (!matches(part, release.suite) && !matches(part, release.codename) && !matches(part, release.version))
        return false;
      continue;
    }
    const auto key = trim(part.substr(0, equals)), value = trim(part.substr(equals + 1));
    const bool holds = key == "a"   ? matches(value, release.suite)
                       : key == "n" ? matches(value, release.codename)
                       : key == "o" ? matches(value, release.origin)
                       : key == "l" ? matches(value, release.label)
                       : key == "c" ? matches(value, context.component)
                       : key == "v" ? matches(value, release.version)
                                    : key == "b";  // architecture: every list read here is of the system's own
    if (!holds) return false;
  }
  return true;
}

bool source_matches(const Pin& pin, const PinContext& context) {
  if (pin.kind == Pin::Kind::release) return release_matches(pin.argument, context);
  if (pin.kind == Pin::Kind::origin) {
    std::string_view host = pin.argument;
    if (host.size() >= 2 && host.front() == '"' && host.back() == '"') host = host.substr(1, host.size() - 2);
    return host.empty() ? context.site.empty() : glob_match(host, context.site);
  }
  return false;
}

Result<Pin> pin_of(const Stanza& stanza) {
  Pin pin;
  for (const auto name : split(stanza.field("Package"), ' '))
    for (const auto part : split(name, '\n'))
      if (!trim(part).empty()) pin.packages.emplace_back(trim(part));
  const auto text = stanza.field("Pin");
  const auto space = text.find(' ');
  const auto kind = text.substr(0, space);
  pin.argument = space == std::string_view::npos ? std::string_view() : trim(text.substr(space));
  if (kind == "origin") pin.kind = Pin::Kind::origin;
  else if (kind == "version") pin.kind = Pin::Kind::version;
  else if (kind != "release")
    return Error(Code::unsupported, "the pin '" + sanitize(text, 100) + "' is of no known kind");
  const auto priority = priority_of(stanza.field("Pin-Priority"));
  if (!priority || pin.packages.empty()) return Error(Code::corrupt, "a pin lacks its package or its priority");
  pin.priority = *priority;
  for (const auto& name : pin.packages)
    if (name.starts_with('/') || name.starts_with("src:"))
      return Error(Code::unsupported, "the pin of '" + sanitize(name, 100) +
                                          "' (a regular expression or a source package) is not honoured");
  return pin;
}

bool is_true(std::string_view value) {
  for (const std::string_view word : {"1", "yes", "true", "with", "on", "enable"})
    if (equal_ignoring_case(value, word)) return true;
  return false;
}

void set_option(std::string_view name, const std::string& value, Preferences& preferences) {
  const auto is = [&](std::string_view other) { return equal_ignoring_case(name, other); };
  if (is("APT::Default-Release")) preferences.default_release = value;
  else if (is("APT::Get::Always-Include-Phased-Updates") || is("Update-Manager::Always-Include-Phased-Updates"))
    preferences.phasing.always = is_true(value);
  else if (is("APT::Get::Never-Include-Phased-Updates") || is("Update-Manager::Never-Include-Phased-Updates"))
    preferences.phasing.never = is_true(value);
}

}  // namespace

void parse_preferences(std::string_view text, std::string_view where, Preferences& preferences) {
  const std::string clean = without_comments(text);
  for_each_stanza(clean, [&](const Stanza& stanza) {
    if (stanza.field("Package").empty() && stanza.field("Explanation").empty()) return;
    auto pin = pin_of(stanza);
    if (pin.ok() && preferences.pins.size() < kPinsMax) preferences.pins.push_back(std::move(*pin));
    else if (!pin.ok() && preferences.not_understood.size() < 50)
      preferences.not_understood.push_back(std::string(where) + ": " + pin.error().message());
  });
}

void parse_apt_conf(std::string_view text, Preferences& preferences) {
  std::vector<std::string> tokens;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (text.substr(i).starts_with("//") || c == '#') {
      i = std::min(text.find('\n', i), text.size());
    } else if (text.substr(i).starts_with("/*")) {
      const auto end = text.find("*/", i);
      i = end == std::string_view::npos ? text.size() : end + 2;
    } else if (c == '"') {
      const auto end = std::min(text.find('"', i + 1), text.size());
      tokens.push_back("\"" + std::string(text.substr(i + 1, end - i - 1)));
      i = end + 1;
    } else if (c == '{' || c == '}' || c == ';') {
      tokens.emplace_back(1, c);
      ++i;
    } else if (c <= ' ') {
      ++i;
    } else {
      const auto end = std::min(text.find_first_of(" \t\r\n{};\"", i), text.size());
      tokens.emplace_back(text.substr(i, end - i));
      i = end;
    }
  }
  std::vector<std::string> path;
  std::string name;
  for (const auto& token : tokens) {
    if (token == "{") path.push_back(std::exchange(name, {}));
    else if (token == "}" && !path.empty()) path.pop_back();
    else if (token == ";") name.clear();
    else if (token.starts_with('"')) {
      const std::string whole = path.empty() ? name : join(path, "::") + "::" + name;
      set_option(whole, token.substr(1), preferences);
    } else name = token;
  }
}

int source_priority(const Preferences& preferences, const PinContext& context) {
  for (const auto& pin : preferences.pins)
    if (pin.general() && source_matches(pin, context)) return pin.priority;
  if (!preferences.default_release.empty() && release_matches(preferences.default_release, context)) return 990;
  if (context.release.not_automatic) return context.release.but_automatic_upgrades ? 100 : 1;
  return 500;
}

int version_priority(const Preferences& preferences, std::string_view package, std::string_view version,
                     const PinContext& context, int priority_of_source) {
  for (const auto& pin : preferences.pins) {
    if (pin.general()) continue;
    const bool named = std::ranges::any_of(pin.packages, [&](const auto& glob) { return glob_match(glob, package); });
    if (!named) continue;
    if (pin.kind == Pin::Kind::version ? glob_match(pin.argument, version) : source_matches(pin, context))
      return pin.priority;
  }
  return priority_of_source;
}

}  // namespace belay::agent::apt
