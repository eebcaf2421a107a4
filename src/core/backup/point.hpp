#pragma once
// Recovery points: one restorable copy each, with what was known of its content when it was made.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/backup/plan.hpp"

namespace belay::backup {

// Of one table, file or database, taken at backup time and compared after a restore.
struct Fingerprint {
  std::string subject;  // "db.schema.table", a path, "heartbeat"
  std::uint64_t rows = 0;
  std::string checksum;  // of its content, where the engine has one that is cheap; "" none
  bool operator==(const Fingerprint&) const = default;
};
BOOST_DESCRIBE_STRUCT(Fingerprint, (), (subject, rows, checksum))
inline constexpr std::size_t kFingerprintsMax = 2'000;

enum class PointState {
  available,
  suspect,      // something about it is out of line; it is kept, and counted on by nobody
  quarantined,  // dated in the future or not made by the plan: never counted by retention
  damaged,      // a check or a restore said so
  expiring,     // to be deleted; the node was told or will be
  gone,         // deleted; its record stays for history
};
BOOST_DESCRIBE_ENUM(PointState, available, suspect, quarantined, damaged, expiring, gone)

// Whether it may be an engine's name of a point: letters, digits and . _ : + @ - , not beginning with one of these,
// without
// "..". A tool could take anything else for an option, a path or a word of its own, and so it does "latest".
bool is_reference(std::string_view text);
inline constexpr std::size_t kReferenceBytesMax = 256;

// What the node says of a point it made or found.
struct MadePoint {
  std::string reference;  // the engine's own name: a label, a snapshot id, a set's directory
  BackupType type = BackupType::full;
  std::vector<std::string> needs;  // references without which it cannot be restored, oldest first
  Instant begun_at{}, taken_at{};  // by the node's clock; taken_at: what it holds is as of then
  std::uint64_t bytes_source = 0;  // that it stands for
  std::uint64_t bytes_added = 0;   // that it took in the vault
  std::uint64_t files = 0, rows = 0;
  std::string position;  // LSN, GTID or binary log position; "" none
  std::string engine_version;
  std::string server_version;  // of the database; "" none
  std::vector<Fingerprint> fingerprints;
  std::string drive;                 // the label of the removable drive that it lies on; "" of other vaults
  std::optional<double> entropy;     // mean bits per byte of what changed, where measured: encrypted files jump
  std::vector<std::string> remarks;  // for a person: what was unreadable, what changed meanwhile
};
BOOST_DESCRIBE_STRUCT(MadePoint, (),
                      (reference, type, needs, begun_at, taken_at, bytes_source, bytes_added, files, rows, position,
                       engine_version, server_version, fingerprints, drive, entropy, remarks))

struct RecoveryPoint {
  std::string point_id;  // "rp-" + 17 hex
  std::string plan_id, node_id;
  std::string vault;
  std::string copy_of;  // point_id; "" of an original
  EngineName engine = EngineName::restic;
  MadePoint made;
  PointState state = PointState::available;
  std::vector<std::string> why;  // it is suspect, quarantined or damaged
  // Damaged, for it is not in its vault: what it was before, and is again once it is there.
  std::optional<PointState> missing_from;
  Instant recorded_at{};  // by the server's clock: what retention counts by
  bool legal_hold = false;
  std::optional<Instant> locked_until;  // by its vault's lock
  std::string proof_id;                 // of the newest passed proof; "" none
  std::optional<ProofLevel> proven;
  bool proven_offsite = false;  // x
  std::optional<Instant> proven_at;
};
BOOST_DESCRIBE_STRUCT(RecoveryPoint, (),
                      (point_id, plan_id, node_id, vault, copy_of, engine, made, state, why, missing_from, recorded_at,
                       legal_hold, locked_until, proof_id, proven, proven_offsite, proven_at))

// A clock that is fast by no more than this is taken for right; what is dated further ahead is dated in the future.
inline constexpr Duration kClockTolerance{120'000};

// Whether it may be counted on: available, and all that it needs is there and available, too, and all that those need.
// `all`: looked at are those of the same plan, node and vault. A differential or an incremental that names nothing it
// needs is not whole: what it builds on is not known. `missing`: references that are not there or not available, each
// once; with what is not known as "the point it builds on (not named)".
bool is_whole(const RecoveryPoint& point, const std::vector<RecoveryPoint>& all,
              std::vector<std::string>* missing = nullptr);

}  // namespace belay::backup
