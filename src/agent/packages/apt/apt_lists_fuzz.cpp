// Everything apt keeps on disk: packed lists, Release files, sources, preferences, configuration.
#include "agent/packages/apt/control_file.hpp"
#include "agent/packages/apt/index_file.hpp"
#include "agent/packages/apt/preferences.hpp"
#include "agent/packages/apt/sources.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::agent::apt;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto walk = [](std::string_view piece) {
    for_each_stanza(piece, [](const Stanza& stanza) { whole_number(stanza.field("Size")); });
  };
  static_cast<void>(for_each_piece(text, static_cast<Compression>(data[0] % 5), walk));
  static_cast<void>(parse_release(text));
  for (const auto& sources : {parse_one_line_sources(text, "x"), parse_deb822_sources(text, "x")})
    for (const auto& source : sources) list_prefix(source), site_of(source), describe(source);
  Preferences preferences;
  parse_preferences(text, "x", preferences);
  parse_apt_conf(text, preferences);
  source_priority(preferences, {Release{}, "site", "main"});
  version_priority(preferences, "package", "1.0", {Release{}, "site", "main"}, 500);
  return 0;
}
