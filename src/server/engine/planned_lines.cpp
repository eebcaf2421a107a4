#include "server/engine/planned_lines.hpp"

#include <algorithm>

#include "server/engine/quarantine.hpp"

namespace belay::server {
namespace {
using fleet::Problem;
using fleet::Reason;

std::string id(const fleet::PackageChange& change) { return change.name + "." + change.arch; }

}  // namespace

std::vector<Problem> check_origin(std::vector<fleet::PackageChange>& planned, const fleet::OfferSet& offers) {
  std::vector<Problem> problems;
  for (auto& line : planned) {
    if (line.to_version.empty()) continue;  // a removal has no file
    bool known = false, offered = false, same_file = line.sha256.empty();
    const fleet::Offer* named = nullptr;
    for (const auto& offer : offers.offers) {
      if (offer.name != line.name || offer.arch != line.arch) continue;
      known = true;
      if (offer.version != line.to_version) continue;
      offered = true;
      if (!offer.sha256.empty() && (!named || offer.sha256 == line.sha256)) named = &offer;
    }
    if (!offered && (known || !line.from_version.empty())) {
      problems.push_back({Reason::version_not_offered, id(line),
                          "its plan leads to version " + line.to_version + ", which its own repositories do not offer",
                          "scan the node again; where that changes nothing, look at who answers for it", false});
      continue;
    }
    if (!named) {  // nothing here vouches for the file
      line.sha256.clear();
      line.size_bytes = 0;
      continue;
    }
    same_file = same_file || named->sha256 == line.sha256;
    if (!same_file)
      problems.push_back({Reason::signature_bad, id(line),
                          "its plan names another file of version " + line.to_version + " than its signed index does",
                          "scan the node again; where that changes nothing, look at who answers for it", false});
    else if (!line.sha256.empty()) line.size_bytes = named->size_bytes;
  }
  return problems;
}

std::vector<Problem> check_quarantine(const std::vector<fleet::PackageChange>& planned,
                                      const std::vector<store::rollouts::Quarantine>& in_force,
                                      std::string_view operating_system, const std::vector<std::string>& roles) {
  std::vector<Problem> problems;
  for (const auto& line : planned)
    if (const auto* hit = line.to_version.empty() ? nullptr : hit_by(in_force, line, operating_system, roles))
      problems.push_back({Reason::dependency_broken, id(line),
                          "the change needs " + id(line) + " " + line.to_version + ", which is in quarantine (" +
                              hit->quarantine_id + "): " + hit->reason,
                          "leave out what needs it, or lift that with your reason", false});
  return problems;
}

}  // namespace belay::server
