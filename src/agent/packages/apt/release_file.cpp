#include "agent/packages/apt/release_file.hpp"

#include "agent/packages/apt/control_file.hpp"
#include "base/text.hpp"

namespace belay::agent::apt {
namespace {

constexpr std::size_t kIndexesMax = 20'000;

// What stands inside the clear signature; the whole text where there is none.
std::string_view signed_part(std::string_view text, bool& is_signed) {
  is_signed = text.starts_with("-----BEGIN PGP SIGNED MESSAGE-----");
  if (!is_signed) return text;
  const auto start = text.find("\n\n");
  if (start == std::string_view::npos) return {};
  text.remove_prefix(start + 2);
  return text.substr(0, text.find("\n-----BEGIN PGP SIGNATURE-----"));
}

Result<std::optional<Instant>> date_field(const Stanza& stanza, std::string_view name) {
  const auto value = stanza.field(name);
  if (value.empty()) return std::optional<Instant>();
  BELAY_TRY_ASSIGN(const Instant date, parse_http_date(value).within("the field " + std::string(name)));
  return std::optional<Instant>(date);
}

void read_sizes(std::string_view checksums, Release& release) {
  for (auto line : split(checksums, '\n')) {
    line = trim(line);
    if (!line.ends_with("/Packages") && !line.ends_with(" Packages")) continue;
    const auto path = line.substr(line.rfind(' ') + 1);
    const auto after_hash = line.find(' ');
    if (after_hash == std::string_view::npos || release.packages_sizes.size() >= kIndexesMax) continue;
    release.packages_sizes.emplace(path, whole_number(trim(line.substr(after_hash))));
  }
}

}  // namespace

Result<Release> parse_release(std::string_view text) {
  Release release;
  const Stanza stanza(signed_part(text, release.signed_inline));
  const auto word = [&](std::string_view name) { return sanitize(stanza.field(name), 200); };
  release.origin = word("Origin");
  release.label = word("Label");
  release.suite = word("Suite");
  release.codename = word("Codename");
  release.version = word("Version");
  BELAY_TRY_ASSIGN(release.date, date_field(stanza, "Date"));
  BELAY_TRY_ASSIGN(release.valid_until, date_field(stanza, "Valid-Until"));
  release.not_automatic = equal_ignoring_case(stanza.field("NotAutomatic"), "yes");
  release.but_automatic_upgrades = equal_ignoring_case(stanza.field("ButAutomaticUpgrades"), "yes");
  read_sizes(stanza.field("SHA256"), release);
  return release;
}

}  // namespace belay::agent::apt
