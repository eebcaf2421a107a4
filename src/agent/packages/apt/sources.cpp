#include "agent/packages/apt/sources.hpp"

#include "agent/packages/apt/control_file.hpp"
#include "base/text.hpp"

namespace belay::agent::apt {
namespace {

std::vector<std::string> words(std::string_view text) {
  std::vector<std::string> found;
  std::string word;
  for (const char c : text) {
    if (c != ' ' && c != '\t' && c != '\n') {
      word += c;
      continue;
    }
    if (!word.empty()) found.push_back(std::move(word));
    word.clear();
  }
  if (!word.empty()) found.push_back(std::move(word));
  return found;
}

bool means_yes(std::string_view text) { return text == "yes" || text == "true" || text == "1" || text == "on"; }
bool means_no(std::string_view text) { return text == "no" || text == "false" || text == "0" || text == "off"; }

std::string with_slash(std::string uri) {
  if (!uri.ends_with('/')) uri += '/';
  return uri;
}

// Without scheme and credentials: "archive.example/debian/", "/srv/repository/" for file:.
std::string_view host_and_path(std::string_view uri) {
  const auto colon = uri.find(':');
  if (colon != std::string_view::npos) uri.remove_prefix(colon + 1);
  if (!uri.starts_with("//")) return uri;
  uri.remove_prefix(2);
  const auto slash = uri.find('/'), at = uri.substr(0, slash).rfind('@');
  if (at != std::string_view::npos) uri.remove_prefix(at + 1);
  return uri;
}

void read_options(std::string_view options, Source& source) {
  for (const auto& option : words(options)) {
    const auto equals = option.find('=');
    if (equals == std::string::npos) continue;
    const auto name = option.substr(0, equals), value = option.substr(equals + 1);
    if (name == "trusted") source.trusted = means_yes(value);
    if (name == "arch")
      for (const auto part : split(value, ',')) source.architectures.emplace_back(part);
  }
}

}  // namespace

std::vector<Source> parse_one_line_sources(std::string_view text, std::string_view where) {
  std::vector<Source> sources;
  for (auto line : split(text, '\n')) {
    line = trim(line.substr(0, line.find('#')));
    if (!line.starts_with("deb ") && !line.starts_with("deb\t")) continue;
    line = trim(line.substr(4));
    Source source;
    source.where = where;
    if (line.starts_with('[')) {
      const auto close = line.find(']');
      if (close == std::string_view::npos) continue;
      read_options(line.substr(1, close - 1), source);
      line = trim(line.substr(close + 1));
    }
    const auto parts = words(line);
    if (parts.size() < 2 || sources.size() >= kSourcesMax) continue;
    source.uri = with_slash(parts[0]);
    source.suite = parts[1];
    source.components.assign(parts.begin() + 2, parts.end());
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<Source> parse_deb822_sources(std::string_view text, std::string_view where) {
  // Comment lines may stand inside a paragraph, between a field and its continuation.
  std::string clean;
  for (const auto line : split(text, '\n'))
    if (!line.starts_with('#')) clean.append(trim(line).empty() ? std::string_view() : line).push_back('\n');
  std::vector<Source> sources;
  for_each_stanza(clean, [&](const Stanza& stanza) {
    const auto types = words(stanza.field("Types"));
    bool binary = false;
    for (const auto& type : types) binary |= type == "deb";
    if (!binary || means_no(stanza.field("Enabled"))) return;
    for (const auto& uri : words(stanza.field("URIs")))
      for (const auto& suite : words(stanza.field("Suites"))) {
        if (sources.size() >= kSourcesMax) return;
        sources.push_back({with_slash(uri), suite, words(stanza.field("Components")),
                           words(stanza.field("Architectures")), means_yes(stanza.field("Trusted")),
                           std::string(where)});
      }
  });
  return sources;
}

std::string list_prefix(const Source& source) {
  std::string path(host_and_path(source.uri));
  if (!source.suite.ends_with('/')) path += "dists/" + source.suite + "/";
  else if (source.suite != "/") path += source.suite;
  static constexpr std::string_view kQuoted = "\\|{}[]<>\"^~_=!@#$%^&*";
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string name;
  for (const char c : path) {
    const auto value = static_cast<unsigned char>(c);
    if (c == '/') name += '_';
    else if (value <= 0x20 || value >= 0x7F || kQuoted.find(c) != std::string_view::npos)
      name += {'%', kDigits[value >> 4], kDigits[value & 15]};
    else name += c;
  }
  return name;
}

std::string site_of(const Source& source) {
  const auto rest = host_and_path(source.uri);
  const auto host = rest.substr(0, rest.find('/'));
  if (host.starts_with('[')) return std::string(host.substr(0, host.find(']') + 1));
  return std::string(host.substr(0, host.find(':')));
}

std::string describe(const Source& source) {
  const auto scheme = source.uri.substr(0, source.uri.find(':'));
  const auto rest = std::string(host_and_path(source.uri));
  return sanitize(scheme + (rest.starts_with('/') ? ":" : "://") + rest + " " + source.suite, 300);
}

}  // namespace belay::agent::apt
