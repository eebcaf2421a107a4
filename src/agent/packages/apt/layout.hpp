#pragma once
// Where apt and dpkg keep their things; the host's own places unless a test or `make run` says otherwise.
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace belay::agent::apt {

struct Layout {
  std::string root;  // what is read and written directly gets this prefix; commands get paths without it
  std::string dpkg_directory = "/var/lib/dpkg";
  std::string state_directory = "/var/lib/apt";  // extended_states, periodic/
  std::string lists_directory = "/var/lib/apt/lists";
  std::string cache_directory = "/var/cache/apt";
  std::string configuration_directory = "/etc/apt";
  bool own_lists = false;  // lists and cache are Belay's: commands are told where
  Duration lists_age_max{std::chrono::hours(7 * 24)};

  // Of Belay's own: what was read in changelogs. The host's cache belongs to apt.
  std::string changelog_directory() const {
    return own_lists ? cache_directory + "/changelogs" : "/var/cache/belay/changelogs";
  }
  std::string on_disk(const std::string& path) const { return root + path; }
};

// apt writes a colon in the name of a package file as %3a.
inline std::string version_in_file_name(std::string_view version) {
  std::string text;
  for (const char c : version) text += c == ':' ? std::string("%3a") : std::string(1, c);
  return text;
}

}  // namespace belay::agent::apt
