#include "agent/packages/apt/phasing.hpp"

#include <random>

#include "base/text.hpp"

namespace belay::agent::apt {

void read_machine_id(const io::Files& files, const Layout& layout, PhasingSettings& settings) {
  for (const auto* path : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
    const auto text = files.read(layout.on_disk(path), 1'000);
    if (!text.ok() || trim(*text).empty()) continue;
    settings.machine_id = trim(*text);
    return;
  }
}

bool has_its_turn(const PhasingSettings& settings, std::string_view package, std::string_view version,
                  std::string_view source, int percentage) {
  if (percentage >= 100 || settings.always) return true;
  if (settings.never) return false;
  if (settings.machine_id.empty()) return true;
  const auto open = source.find('(');
  const auto name = source.empty() ? package : trim(source.substr(0, open));
  const auto source_version =
      open == std::string_view::npos ? version : trim(source.substr(open + 1, source.find(')', open) - open - 1));
  // Part of the archive's contract with its machines: generator, seed and range are apt's, bit for bit.
  const std::string words = std::string(name) + "-" + std::string(source_version) + "-" + settings.machine_id;
  std::seed_seq seed(words.begin(), words.end());
  std::minstd_rand generator(seed);
  std::uniform_int_distribution<unsigned int> percent(0, 100);
  return percent(generator) <= static_cast<unsigned int>(percentage);
}

}  // namespace belay::agent::apt
