// Scans this system with the backend that os-release asks for, and says what it found; `bench_scan list` names every
// newer version besides, one a line: name, version, "security" or "-".
// bench/scan.py runs it beside the system's own tools and compares what they cost.
#include <cstdio>
#include <string_view>

#include "agent/packages/choose.hpp"
#include "io/system_clock.hpp"

namespace {

bool is_installed(const belay::agent::ScanResult& result, const belay::fleet::Offer& offer) {
  for (const auto& package : result.installed.packages)
    if (package.name == offer.name && package.version == offer.version) return true;
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const bool list = argc > 1 && std::string_view(argv[1]) == "list";
  const belay::agent::Host host{belay::io::real_files(), belay::io::real_processes(), belay::io::system_clock()};
  const auto manager = belay::agent::make_package_manager(host, {});
  if (!manager.ok()) return std::fprintf(stderr, "%s\n", manager.error().chain().c_str()), 1;
  const auto result = (*manager)->scan();
  if (!result.ok()) return std::fprintf(stderr, "%s\n", result.error().chain().c_str()), 1;
  std::printf("%zu packages, %zu offers, %zu problems\n", result->installed.packages.size(),
              result->offers.offers.size(), result->problems.size());
  for (const auto& problem : result->problems)
    std::printf("! %s: %s\n", problem.subject.c_str(), problem.detail.c_str());
  if (list)
    for (const auto& offer : result->offers.offers)
      if (!is_installed(*result, offer))
        std::printf("%s %s %s\n", offer.name.c_str(), offer.version.c_str(), offer.security ? "security" : "-");
  return 0;
}
