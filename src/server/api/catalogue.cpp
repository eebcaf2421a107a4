#include "server/api/catalogue.hpp"

#include <algorithm>
#include <set>
#include <tuple>

#include "base/json.hpp"
#include "io/crypto.hpp"
#include "store/contents.hpp"
#include "store/nodes.hpp"
#include "store/scans.hpp"

namespace belay::server {
namespace {

// (product, offer set hash), distinct.
using SetsInUse = std::set<std::pair<std::string, std::string>>;

Result<SetsInUse> sets_in_use(store::Sql& sql, fleet::OperatingSystem system) {
  SetsInUse sets;
  store::nodes::NodeFilter filter;
  filter.operating_systems = {std::string(fleet::to_text(system))};
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto nodes, store::nodes::list(sql, filter, page));
    std::vector<std::string> ids;
    std::map<std::string, std::string> products;
    for (const auto& node : nodes.items) {
      ids.push_back(node.node_id);
      products[node.node_id] = fleet::product_name(system, node.facts.os_version);
    }
    BELAY_TRY_ASSIGN(const auto heads, store::scans::heads_of(sql, ids));
    for (const auto& head : heads)
      if (!head.offer_set_hash.empty() && sets.size() < Catalogue::kSetsMax)
        sets.emplace(products[head.node_id], head.offer_set_hash);
    page.after = nodes.next;
  } while (!page.after.empty());
  return sets;
}

std::string fingerprint_of(const SetsInUse& sets) {
  io::Sha256Stream hash;
  for (const auto& [product, set] : sets) hash.update(product + "\n" + set + "\n");
  return hash.finish_hex();
}

bool same_version(const fleet::Offer& a, const fleet::Offer& b) {
  return std::tie(a.name, a.arch, a.version) == std::tie(b.name, b.arch, b.version);
}

void sort_distinct(fleet::OfferSet& set) {
  std::ranges::sort(set.offers, [](const auto& a, const auto& b) {
    return std::tie(a.name, a.arch, a.version, b.security) <
           std::tie(b.name, b.arch, b.version, a.security);  // security's word first
  });
  const auto [first, last] = std::ranges::unique(set.offers, same_version);
  set.offers.erase(first, last);
}

Status read_sets(store::Sql& sql, const SetsInUse& sets, OffersOfSystem& into) {
  std::size_t count = 0;
  for (const auto& [product, hash] : sets) {
    const auto text = store::contents::get(sql, store::contents::Kind::offer_set, hash);
    if (!text.ok() && text.error().code() == Code::not_found) continue;  // named by a scan, not uploaded yet
    if (!text.ok()) return text.error();
    BELAY_TRY_ASSIGN(auto set,
                     json::decode_text<fleet::OfferSet>(*text, {.bytes_max = store::contents::kContentBytesMax}));
    if (into.products.empty() || into.products.back().product != product)
      into.products.push_back({product, {set.format, {}}});
    auto& offers = into.products.back().offers.offers;
    into.complete &= count + set.offers.size() <= Catalogue::kOffersMax;
    if (!into.complete) break;
    count += set.offers.size();
    offers.insert(offers.end(), std::make_move_iterator(set.offers.begin()), std::make_move_iterator(set.offers.end()));
  }
  for (auto& product : into.products) sort_distinct(product.offers);
  return {};
}

Status read_first_seen(store::Sql& sql, fleet::OperatingSystem system, OffersOfSystem& into) {
  std::vector<store::contents::PackageVersion> versions;
  for (const auto& product : into.products)
    for (const auto& offer : product.offers.offers) versions.push_back({offer.name, offer.arch, offer.version});
  BELAY_TRY_ASSIGN(const auto seen, store::contents::first_seen(sql, fleet::to_text(system), versions));
  for (std::size_t i = 0; i < versions.size() && i < seen.size(); ++i) {
    if (!seen[i]) continue;
    const auto [place, fresh] = into.first_seen.try_emplace({versions[i].name, versions[i].version}, *seen[i]);
    if (!fresh) place->second = std::min(place->second, *seen[i]);
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const OffersOfSystem>> Catalogue::of(store::Store& store, fleet::OperatingSystem system,
                                                            Instant now) {
  const std::lock_guard lock(mutex_);  // held while it is made, so that it is made once
  Kept& kept = kept_[system];
  if (kept.offers && now >= kept.checked_at && now - kept.checked_at < kRecheckAfter) return kept.offers;
  using Made = std::shared_ptr<const OffersOfSystem>;
  BELAY_TRY_ASSIGN(kept.offers, store.read([&](store::Sql& sql) -> Result<Made> {
    BELAY_TRY_ASSIGN(const auto sets, sets_in_use(sql, system));
    const std::string fingerprint = fingerprint_of(sets);
    if (kept.offers && kept.offers->fingerprint == fingerprint) return kept.offers;
    auto made = std::make_shared<OffersOfSystem>();
    made->fingerprint = fingerprint;
    made->complete = sets.size() < kSetsMax;
    BELAY_TRY(read_sets(sql, sets, *made));
    BELAY_TRY(read_first_seen(sql, system, *made));
    return Made(std::move(made));
  }));
  kept.checked_at = now;
  return kept.offers;
}

}  // namespace belay::server
