#include "agent/runner/set_store.hpp"

#include <algorithm>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {
constexpr json::Limits kLimits{.bytes_max = 64 << 20, .depth_max = 16};

bool is_hash(std::string_view text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}
}  // namespace

Result<std::string> SetStore::keep(const fleet::PackageSet& set) { return keep_text(wire::canonical_text(set)); }
Result<std::string> SetStore::keep(const fleet::OfferSet& set) { return keep_text(wire::canonical_text(set)); }

Result<std::string> SetStore::keep_text(std::string text) {
  auto hash = io::sha256_hex(text);
  const auto path = paths_.sets() + "/" + hash + ".json";
  BELAY_TRY(files_.make_directories(paths_.sets(), 0700));
  // Written again although it may be there: it becomes the newest.
  BELAY_TRY(files_.write_durable(path, text, 0600).within("a package set cannot be kept"));
  drop_oldest();
  return hash;
}

void SetStore::drop_oldest() {
  const auto names = files_.list(paths_.sets());
  if (!names.ok() || names->size() <= kSetsKeptMax) return;
  std::vector<std::pair<Instant, std::string>> by_age;
  for (const auto& name : *names)
    if (const auto info = files_.info(paths_.sets() + "/" + name); info.ok()) by_age.emplace_back(info->modified, name);
  std::ranges::sort(by_age);
  for (std::size_t i = 0; i + kSetsKeptMax < by_age.size(); ++i)
    static_cast<void>(files_.remove(paths_.sets() + "/" + by_age[i].second));
}

Result<std::string> SetStore::text_of(const std::string& hash) const {
  if (!is_hash(hash)) return Error(Code::invalid_argument, "'" + sanitize(hash, 80) + "' names no set");
  return files_.read(paths_.sets() + "/" + hash + ".json", kLimits.bytes_max);
}

Result<fleet::PackageSet> SetStore::package_set(const std::string& hash) const {
  BELAY_TRY_ASSIGN(const auto text, text_of(hash));
  return json::decode_text<fleet::PackageSet>(text, kLimits);
}

Result<fleet::OfferSet> SetStore::offer_set(const std::string& hash) const {
  BELAY_TRY_ASSIGN(const auto text, text_of(hash));
  return json::decode_text<fleet::OfferSet>(text, kLimits);
}

}  // namespace belay::agent
