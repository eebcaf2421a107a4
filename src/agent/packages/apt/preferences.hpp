#pragma once
// Which versions apt itself would choose: apt_preferences(5) and APT::Default-Release, as far as a patch needs them.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/packages/apt/phasing.hpp"
#include "agent/packages/apt/release_file.hpp"

namespace belay::agent::apt {

struct Pin {
  std::vector<std::string> packages;  // globs; "*" is the general form
  enum class Kind { release, origin, version } kind = Kind::release;
  std::string argument;  // "a=bookworm-backports, o=Debian"; a host; a version glob
  int priority = 0;
  bool general() const { return packages.size() == 1 && packages[0] == "*"; }
};

struct Preferences {
  std::vector<Pin> pins;        // in the order of the files
  std::string default_release;  // APT::Default-Release
  PhasingSettings phasing;
  std::vector<std::string> not_understood;  // what stands there and is not honoured: said, never passed over
};

inline constexpr std::size_t kPinsMax = 10'000;

void parse_preferences(std::string_view text, std::string_view where, Preferences& preferences);
// APT::Default-Release and what concerns phased updates, in apt.conf(5)'s syntax, nested or not; what is absent there
// stays as it is in `preferences`.
void parse_apt_conf(std::string_view text, Preferences& preferences);

struct PinContext {
  const Release& release;
  std::string_view site;
  std::string_view component;
};

// The priority of a whole source (general pins, default release, NotAutomatic), and of one version from it.
int source_priority(const Preferences& preferences, const PinContext& context);
int version_priority(const Preferences& preferences, std::string_view package, std::string_view version,
                     const PinContext& context, int source_priority);

}  // namespace belay::agent::apt
