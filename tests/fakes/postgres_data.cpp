#include "tests/fakes/postgres_data.hpp"

#include <cstdlib>

#include "tests/fakes/own_directory.hpp"

namespace belay::fakes {
namespace {

bool sh(const std::string& command) { return std::system(("(" + command + ") >/dev/null 2>&1").c_str()) == 0; }

}  // namespace

bool lay_postgres_data(const std::string& programs, const std::string& directory) {
  static const OwnDirectory own("cluster", 0755);
  static const auto empty = own.path() + "/data";
  static const bool made =
      sh("cd /; install -d -o postgres -g postgres -m 0700 " + empty +
         " && setpriv --reuid=postgres --regid=postgres --init-groups " + programs + "/initdb -D " + empty +
         " -A peer -U postgres --data-checksums -E UTF8 --locale=C --no-sync");
  return made && sh("rm -rf " + directory + " && cp -a " + empty + " " + directory);
}

}  // namespace belay::fakes
