#pragma once
// What sources.list(5) configures, in both its forms, and the names apt gives the lists it fetches from there.
#include <string>
#include <string_view>
#include <vector>

namespace belay::agent::apt {

struct Source {
  std::string uri;                         // with a slash at the end
  std::string suite;                       // "bookworm-security", or "./" for a flat repository
  std::vector<std::string> components;     // empty for a flat one
  std::vector<std::string> architectures;  // where the source names them; empty: all of the system
  bool trusted = false;                    // trusted=yes: apt does not ask for a signature
  std::string where;                       // file and place, for messages
};

inline constexpr std::size_t kSourcesMax = 1'000;

// Binary sources only (deb, not deb-src), enabled ones only.
std::vector<Source> parse_one_line_sources(std::string_view text, std::string_view where);  // *.list
std::vector<Source> parse_deb822_sources(std::string_view text, std::string_view where);    // *.sources

// As apt's URItoFileName: "archive.example_debian_dists_bookworm_". Followed by "InRelease" or
// "main_binary-amd64_Packages". Credentials in the URI are not part of it.
std::string list_prefix(const Source& source);
// The host, without port and credentials; "" for file: and the like.
std::string site_of(const Source& source);
// "http://archive.example/debian bookworm", never with credentials.
std::string describe(const Source& source);

}  // namespace belay::agent::apt
