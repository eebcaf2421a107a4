#include "core/patchrun/approved_changes.hpp"

#include <algorithm>
#include <map>

#include "base/bytes.hpp"
#include "base/json.hpp"

namespace belay::patchrun {
namespace {

// A leaf and a branch are told apart, so that no branch passes for a change.
std::string leaf_of(const std::string& text, Sha256 hash) { return hash(std::string(1, '\0') + text); }
std::string branch_of(const std::string& left, const std::string& right, Sha256 hash) {
  return hash(std::string(1, '\1') + left + right);
}
std::string text_of(const fleet::PackageChange& change) { return json::to_canonical_text(json::encode(change)); }
std::uint32_t middle(std::uint32_t from, std::uint32_t to) { return from + (to - from + 1) / 2; }

std::string whole(const std::vector<std::string>& leaves, std::uint32_t from, std::uint32_t to, Sha256 hash) {
  if (to - from == 1) return leaves[from];
  const auto at = middle(from, to);
  return branch_of(whole(leaves, from, at, hash), whole(leaves, at, to, hash), hash);
}

using Known = std::map<std::uint32_t, std::string>;  // leaves by their place

bool has_any(const Known& known, std::uint32_t from, std::uint32_t to) {
  const auto first = known.lower_bound(from);
  return first != known.end() && first->first < to;
}

// The hashes of the branches without any of the places, from the left.
void gather(const std::vector<std::string>& leaves, const Known& known, std::uint32_t from, std::uint32_t to,
            Sha256 hash, std::vector<std::string>& out) {
  if (!has_any(known, from, to)) return out.push_back(to_hex(whole(leaves, from, to, hash)));
  if (to - from == 1) return;
  const auto at = middle(from, to);
  gather(leaves, known, from, at, hash, out);
  gather(leaves, known, at, to, hash, out);
}

// The same walk, the other way round; nothing where the proof does not suffice.
std::optional<std::string> climb(const Known& known, std::uint32_t from, std::uint32_t to, Sha256 hash,
                                 const std::vector<std::string>& proof, std::size_t& used) {
  if (!has_any(known, from, to)) {
    if (used == proof.size()) return std::nullopt;
    const auto bytes = from_hex(proof[used++]);
    return bytes.ok() && bytes->size() == 32 ? std::optional(*bytes) : std::nullopt;
  }
  if (to - from == 1) return known.at(from);
  const auto at = middle(from, to);
  const auto left = climb(known, from, at, hash, proof, used);
  const auto right = left ? climb(known, at, to, hash, proof, used) : std::nullopt;
  return right ? std::optional(branch_of(*left, *right, hash)) : std::nullopt;
}

}  // namespace

std::string approval_statement(std::string_view change_set_id, const ApprovedChanges& changes,
                               std::string_view approver, Instant at) {
  std::string text = "belay approval 1\n";
  const auto line = [&](std::string_view name, std::string_view value) {
    text.append(name).append(": ").append(value).append("\n");
  };
  line("change set", change_set_id);
  line("sha256", changes.sha256);
  line("changes", std::to_string(changes.lines) + " " + changes.root);
  line("author", changes.author);
  line("approver", approver);
  line("at", to_iso8601(at));
  return text;
}

ChangeTree::ChangeTree(std::vector<fleet::PackageChange> all, Sha256 hash) : hash_(hash) {
  for (const auto& change : all) texts_.push_back(text_of(change));
  std::ranges::sort(texts_);
  const auto repeats = std::ranges::unique(texts_);
  texts_.erase(repeats.begin(), repeats.end());
  for (const auto& text : texts_) leaves_.push_back(leaf_of(text, hash));
  root_ = to_hex(leaves_.empty() ? hash("") : whole(leaves_, 0, lines(), hash));
}

bool ChangeTree::prove(const std::vector<fleet::PackageChange>& changes, ApprovedChanges& out) const {
  Known known;
  out.root = root_;
  out.lines = lines();
  out.places.clear();
  out.proof.clear();
  for (const auto& change : changes) {
    const auto text = text_of(change);
    const auto found = std::ranges::lower_bound(texts_, text);
    if (found == texts_.end() || *found != text) return false;
    out.places.push_back(static_cast<std::uint32_t>(found - texts_.begin()));
    known.emplace(out.places.back(), "");
  }
  if (known.empty()) return false;
  gather(leaves_, known, 0, lines(), hash_, out.proof);
  return true;
}

bool proves(const ApprovedChanges& approved, const std::vector<fleet::PackageChange>& changes, Sha256 hash) {
  if (changes.empty() || approved.places.size() != changes.size() || approved.lines > kApprovedLinesMax) return false;
  Known known;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (approved.places[i] >= approved.lines) return false;
    const auto leaf = leaf_of(text_of(changes[i]), hash);
    if (const auto [there, added] = known.emplace(approved.places[i], leaf); !added && there->second != leaf)
      return false;
  }
  std::size_t used = 0;
  const auto root = climb(known, 0, approved.lines, hash, approved.proof, used);
  return root && used == approved.proof.size() && to_hex(*root) == approved.root;
}

}  // namespace belay::patchrun
