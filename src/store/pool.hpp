#pragma once
// The package pool: exactly the files that change sets name, once for the fleet, by the SHA-256 of their content, in
// chunks. What is kept is what somebody holds; size and checksum are known before the first byte comes. The area checks
// order and sizes; that the content is what its name says, the caller checks (server/engine/package_pool.hpp).
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/fleet/package.hpp"
#include "store/store.hpp"

namespace belay::store::pool {

inline constexpr std::uint64_t kChunkBytes = 1u << 20;  // of every chunk but the last
inline constexpr std::uint64_t kPackageBytesMax = 2ull << 30;

struct Package {
  std::string sha256{}, name{}, arch{}, version{};
  std::uint64_t size_bytes = 0;
  Instant first_seen{};
  std::uint64_t stored_bytes = 0;         // of its chunks
  std::optional<Instant> completed_at{};  // whole, and its content is what its name says
  std::string uploader{};                 // the node whose chunks these are
  std::optional<Instant> touched_at{};    // when the newest chunk came
};
std::uint32_t chunk_count(const Package& package);

// ---- who wants what
// Holds the files of these changes for `holder` (a change set, a rollout): what has no checksum or no size, or is
// larger than kPackageBytesMax, is passed over. Again for the same holder: the later `until` stands, none is latest.
Status reference(Sql& sql, std::string_view holder, std::span<const fleet::PackageChange> changes, Instant now,
                 std::optional<Instant> until = {});
// Under whose name a change set's old files are held: they serve its way back, and it is complete without them.
inline std::string old_files_of(std::string_view holder) { return std::string(holder) + "/old"; }
// What `from` holds, its old files too, is held for `holder`, until that is released. A rollout does so with its change
// set.
Status share(Sql& sql, std::string_view from, std::string_view holder);
// Its old files too. May be repeated; what nobody holds goes with the next sweep.
Status release(Sql& sql, std::string_view holder);

struct Coverage {
  std::int64_t packages = 0, complete = 0;
  std::uint64_t bytes = 0, bytes_complete = 0;
};
Result<Coverage> coverage(Sql& sql, std::string_view holder);
// What the pool lacks of what `holder` holds.
Result<std::vector<Package>> lacking(Sql& sql, std::string_view holder);

// One for each, in order; absent where nobody holds such a file.
Result<std::vector<std::optional<Package>>> find(Sql& sql, std::span<const std::string> sha256s);

// ---- bytes
struct Chunk {
  std::string_view sha256;
  std::uint32_t index = 0;
  std::string_view bytes;
  std::string_view node_id;  // who sends it
};
struct Limits {
  std::uint64_t bytes_max = 20ull << 30;           // of all files, what is begun counted whole
  Duration silent_for{120'000};                    // an upload that stood still as long may be begun anew by another
  Duration mistrusted_for{std::chrono::hours(1)};  // who sent a wrong file does not send it again for as long
};
// Keeps the next chunk of a file; the upload of one file is one node's. A chunk that is there already changes nothing.
// The package as it is then: its stored_bytes say what comes next. not_found "pool-not-wanted"; conflict "pool-busy"
// (another node sends it) or "pool-chunk-order"; invalid_argument where the size is not the chunk's; permission_denied
// "pool-mistrusted"; resource_exhausted "pool-full".
Result<Package> put(Sql& sql, const Chunk& chunk, const Limits& limits, Instant now);
// All is there and was found to be what its name says. conflict where the chunks are not `uploader`'s any more.
Status complete(Sql& sql, std::string_view sha256, std::string_view uploader, Instant now);
// Its content is not what its name says: every byte of it goes. `wrong_from`: who sent it.
Status discard(Sql& sql, std::string_view sha256, std::string_view wrong_from, Instant now);
// not_found where the file or the chunk is not there. Of a file that is not complete yet, too.
Result<std::string> chunk(Sql& sql, std::string_view sha256, std::uint32_t index);

// ---- upkeep
struct Swept {
  std::int64_t packages = 0, abandoned = 0;
  std::uint64_t bytes = 0;
};
// Lets go of references whose time is over, of uploads that stood still since `stale_before`, and of files that nobody
// holds any more, oldest first, until about `chunks_max` chunks went.
Result<Swept> sweep(Sql& sql, Instant now, Instant stale_before, std::uint32_t chunks_max);

struct Usage {
  std::int64_t packages = 0, complete = 0, incomplete = 0;  // incomplete: begun, not whole
  std::uint64_t bytes = 0;                                  // stored
  std::uint64_t bytes_wanted = 0;                           // of all that somebody holds
};
Result<Usage> usage(Sql& sql);

}  // namespace belay::store::pool
