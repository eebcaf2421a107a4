#pragma once
// What is named by its hash and kept once: package sets, offer sets, facts, evidence. Compressed at rest.
// And the first time the fleet saw a version, which stands for a release date where the archive tells none.
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::contents {

enum class Kind { package_set, offer_set, facts, evidence };
BOOST_DESCRIBE_ENUM(Kind, package_set, offer_set, facts, evidence)

inline constexpr std::size_t kContentBytesMax = 32u << 20;

// `hash` must be the SHA-256 of `text` (64 hex digits), else invalid_argument "hash-mismatch". May be repeated.
Status put(Sql& sql, Kind kind, std::string_view hash, std::string_view text, Instant at);
// Hashes `text` itself and returns the hash.
Result<std::string> put(Sql& sql, Kind kind, std::string_view text, Instant at);
// not_found where it is not (or no longer) there.
Result<std::string> get(Sql& sql, Kind kind, std::string_view hash);
// Those of `hashes` that are not there, each once.
Result<std::vector<std::string>> missing(Sql& sql, Kind kind, std::span<const std::string> hashes);
Result<Listed<std::string>> list_hashes(Sql& sql, Kind kind, const Page& page);

// Forgets sets of this kind (package_set or offer_set) that no scan ever named and that came before `before`: they were
// sent, and the scan was refused or never came. What a scan names stays for ever, for "as of" is answered from it.
// Looks at `limit` sets from `after` on, in the order of their hashes.
struct Forgotten {
  std::int64_t count = 0;
  std::string after{};  // where to go on; "" once all were looked at
};
Result<Forgotten> forget_unused_sets(Sql& sql, Kind kind, Instant before, std::string_view after, std::uint32_t limit);

// ---- first sight of versions, per operating system
struct PackageVersion {
  std::string name{}, arch{}, version{};
  auto operator<=>(const PackageVersion&) const = default;
};
// Keeps `at` for those never seen; the others keep theirs. May be repeated.
Status note_first_seen(Sql& sql, std::string_view operating_system, std::span<const PackageVersion> versions,
                       Instant at);
// One answer for each, in order; absent where never seen.
Result<std::vector<std::optional<Instant>>> first_seen(Sql& sql, std::string_view operating_system,
                                                       std::span<const PackageVersion> versions);

}  // namespace belay::store::contents
