// The words of apt, dpkg, dnf and rpm.
#include "agent/packages/apt/output.hpp"
#include "agent/packages/dnf/output.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::agent;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  apt::problems_of_update(text);
  apt::problems_of_install(text);
  apt::changes_of_simulation(text, "amd64");
  apt::services_of_needrestart(text);
  static_cast<void>(dnf::parse_installed(text));
  auto offers = dnf::parse_offers(text, [](auto, auto) { return true; });
  dnf::apply_advisories(offers, dnf::parse_advisories(text));
  dnf::parse_transaction(text);
  dnf::problems_of_dnf(text);
  dnf::problems_of_check(text);
  dnf::conffiles_of(text);
  return 0;
}
