#pragma once
// Named reasons: why something could not be judged or patched. Never silence, never a bare exit status.
#include <boost/describe.hpp>
#include <string>

namespace belay::fleet {

enum class Reason {
  lock_held,               // another package manager holds the lock; detail names the process
  repository_unreachable,  // a mirror does not answer, hangs, or lacks what its index promises
  release_expired,         // Valid-Until has passed
  release_stale,           // lists are older than the policy allows
  key_expired,             // the repository's signing key has expired
  key_missing,             // the signing key is not known here (NO_PUBKEY)
  signature_bad,           // BADSIG, or a checksum in signed metadata does not match
  package_held,            // on hold (apt-mark, versionlock)
  would_remove_packages,   // the resolver would remove something that the order does not allow
  version_not_offered,     // the ordered version is no longer offered and not held
  disk_full,               // too little space; detail names the mount and both figures
  dependency_broken,       // installed dependencies are not satisfied, or the order's cannot be
  dpkg_interrupted,        // dpkg was stopped in the middle; `dpkg --configure -a` mends it
  package_broken,          // half-installed, reinst-required: dpkg --configure -a does NOT mend it
  script_failed,           // a maintainer script or scriptlet failed
  clock_wrong,             // the node's clock is off, so dates cannot be judged
  agent_dark,              // the agent has not been heard of for longer than the policy allows
  scan_stale,              // the newest scan is older than the policy allows
  never_scanned,
  metadata_missing,     // no package lists, or no updateinfo where the baseline needs it
  unsupported_system,   // no package manager that we know
  database_unreadable,  // dpkg status or rpmdb cannot be read or parsed
  timed_out,            // the step did not end in its time
  phased_update,        // the archive holds the update back from this node for now
  reboot_pending,       // an earlier change waits for a reboot
  policy_forbids,       // the node's own policy file does not allow the order
  policy_unusable,      // the policy file cannot be relied on, so nothing is allowed
  storage_degraded,     // what the change would be written to is no longer whole: an array, a disk, a file system
  other,
};
BOOST_DESCRIBE_ENUM(Reason, lock_held, repository_unreachable, release_expired, release_stale, key_expired, key_missing,
                    signature_bad, package_held, would_remove_packages, version_not_offered, disk_full,
                    dependency_broken, dpkg_interrupted, package_broken, script_failed, clock_wrong, agent_dark,
                    scan_stale, never_scanned, metadata_missing, unsupported_system, database_unreadable, timed_out,
                    phased_update, reboot_pending, policy_forbids, policy_unusable, storage_degraded, other)

struct Problem {
  Reason reason = Reason::other;
  std::string subject;            // the package, repository, mount or process it is about; empty for the whole node
  std::string detail;             // what was seen, for a person; sanitized, at most 2,000 bytes
  std::string next;               // what to do about it
  bool blocks_judgement = false;  // true: the scan's verdict is UNKNOWN because of it
  auto operator<=>(const Problem&) const = default;
};
BOOST_DESCRIBE_STRUCT(Problem, (), (reason, subject, detail, next, blocks_judgement))

}  // namespace belay::fleet
