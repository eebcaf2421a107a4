#pragma once
// Proof, carried by a patch order, that its changes stand in a change set that people have approved. Each approval is a
// statement over the root of a hash tree of the set's changes; the order brings only the hashes that lead from its own
// changes to that root. Pure: hashing and signatures come in from outside (io/crypto.hpp).
#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/fleet/package.hpp"

namespace belay::patchrun {

inline constexpr std::size_t kApprovalsMax = 20;
inline constexpr std::uint32_t kApprovedLinesMax = 10'000'000;

struct Approval {
  std::string approver;
  Instant at{};
  std::string signature;  // base64, Ed25519, over approval_statement()
};
BOOST_DESCRIBE_STRUCT(Approval, (), (approver, at, signature))

struct ApprovedChanges {
  std::string sha256;       // of the frozen change set's content
  std::string author;       // who made it
  std::string root;         // of the tree over its distinct changes, 64 hex digits
  std::uint32_t lines = 0;  // how many there are
  std::vector<Approval> approvals{};
  std::vector<std::uint32_t> places{};  // of the order's changes, in the order they stand there
  std::vector<std::string> proof{};     // hashes of the branches without any of them, in hex, from the left
};
BOOST_DESCRIBE_STRUCT(ApprovedChanges, (), (sha256, author, root, lines, approvals, places, proof))

using Sha256 = std::string (*)(std::string_view);  // 32 raw bytes

// What an approver's signature is over: text of a few lines, each field in one of its own.
std::string approval_statement(std::string_view change_set_id, const ApprovedChanges& changes,
                               std::string_view approver, Instant at);

class ChangeTree {
 public:
  // Of all changes of the set, in any order, repeats among them.
  ChangeTree(std::vector<fleet::PackageChange> all, Sha256 hash);
  std::uint32_t lines() const { return static_cast<std::uint32_t>(leaves_.size()); }
  const std::string& root() const { return root_; }  // hex
  // Fills in root, lines, places and proof. False where a change does not stand in the tree.
  bool prove(const std::vector<fleet::PackageChange>& changes, ApprovedChanges& out) const;

 private:
  std::vector<std::string> texts_;   // sorted; a change's leaf is the hash of its text
  std::vector<std::string> leaves_;  // raw
  Sha256 hash_;
  std::string root_;
};

// Whether exactly these changes lead to the root. Whatever the proof is, this ends soon and says no where it is wrong.
bool proves(const ApprovedChanges& approved, const std::vector<fleet::PackageChange>& changes, Sha256 hash);

}  // namespace belay::patchrun
