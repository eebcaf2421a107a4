// An override list of any texts is refused or selects; a selected version is one on offer and newer than the installed.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "core/baseline/override_list.hpp"
#include "core/baseline/patch_list.hpp"
#include "core/fleet/version_order.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  using namespace belay::baseline;
  std::vector<std::string> words(1);
  for (std::size_t i = 0; i < size && words.size() < 12; ++i) {
    if (data[i] == '\n') words.emplace_back();
    else words.back() += static_cast<char>(data[i]);
  }
  words.resize(8);
  const auto format = size % 2 ? fleet::PackageFormat::rpm : fleet::PackageFormat::deb;
  const fleet::PackageSet installed{format, {{words[0], "amd64", words[1]}}};
  fleet::OfferSet offers{format, {}};
  for (const auto& version : {words[2], words[3]}) {
    fleet::Offer offer;
    offer.name = words[0];
    offer.arch = "amd64";
    offer.version = version;
    offer.advisory_ids = {words[7]};
    offers.offers.push_back(offer);
  }
  const std::vector<OverridePatch> patches{{words[4], words[5]}, {words[6], words[7]}};
  for (const auto system : {OperatingSystem::SUSE, OperatingSystem::DEBIAN})
    static_cast<void>(PatchList({words[4], words[5], words[6]}, system, format).find(offers.offers[0]));
  if (!check(patches).ok()) return 0;
  for (const auto& change : select(installed, offers, patches).changes) {
    BELAY_ASSERT(change.to_version == words[2] || change.to_version == words[3]);
    BELAY_ASSERT(fleet::compare_versions(format, change.to_version, change.from_version) > 0);
  }
  return 0;
}
