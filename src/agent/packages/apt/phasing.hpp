#pragma once
// Ubuntu's phased updates: an archive offers a version to so many percent of machines, and apt on each decides by the
// machine's id whether its turn has come (apt 2.1.16 and newer; `apt-get install NAME=VERSION` asks for no turn).
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/packages/apt/layout.hpp"
#include "io/files.hpp"

namespace belay::agent::apt {

struct PhasingSettings {
  std::string machine_id;  // "": unknown, and then every machine's turn has come
  bool always = false;     // Always-Include-Phased-Updates, of APT::Get or Update-Manager
  bool never = false;      // Never-Include-Phased-Updates
};

// The system's own id; what apt.conf says of always and never is kept.
void read_machine_id(const io::Files& files, const Layout& layout, PhasingSettings& settings);

// Whether apt would take a version of this source package that is offered to `percentage` of machines, as far as
// phasing goes. `source` is the field of the record: "", "glibc" or "glibc (2.39-0ubuntu8)".
bool has_its_turn(const PhasingSettings& settings, std::string_view package, std::string_view version,
                  std::string_view source, int percentage);

}  // namespace belay::agent::apt
