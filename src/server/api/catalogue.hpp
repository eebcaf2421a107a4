#pragma once
// What the fleet's own repositories offer, per operating system: SSM has no such catalogue for Linux, so it cannot
// answer DescribeAvailablePatches there. Made from the offer sets of the newest scans, each distinct set read once;
// kept until a scan brings another set.
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/baseline/evaluate.hpp"
#include "core/fleet/operating_system.hpp"
#include "core/fleet/package.hpp"
#include "store/store.hpp"

namespace belay::server {

struct OffersOfProduct {
  std::string product;     // "Debian12"
  fleet::OfferSet offers;  // distinct (name, arch, version), sorted
};

struct OffersOfSystem {
  std::string fingerprint;                // of the sets it was made from
  std::vector<OffersOfProduct> products;  // sorted
  baseline::FirstSeen first_seen;
  bool complete = true;  // false: more distinct sets than kSetsMax; the newest were taken
};

class Catalogue {
 public:
  static constexpr std::size_t kSetsMax = 2'000;      // distinct offer sets of a system
  static constexpr std::size_t kOffersMax = 400'000;  // of a system
  static constexpr Duration kRecheckAfter{5'000};     // a scan shows here at most this late
  Result<std::shared_ptr<const OffersOfSystem>> of(store::Store& store, fleet::OperatingSystem system, Instant now);

 private:
  std::mutex mutex_;
  struct Kept {
    Instant checked_at{};
    std::shared_ptr<const OffersOfSystem> offers;
  };
  std::map<fleet::OperatingSystem, Kept> kept_;
};

}  // namespace belay::server
