#pragma once
// What a node says of itself is bounded and made harmless before it is kept.
#include "base/result.hpp"
#include "core/document/reader.hpp"
#include "core/fleet/facts.hpp"
#include "core/fleet/package.hpp"
#include "core/fleet/problem.hpp"
#include "wire/messages.hpp"

namespace belay::server {

// invalid_argument that names the member: too long, too many, not UTF-8, control characters where an identity stands.
Status check_facts(const fleet::NodeFacts& facts);
// Free text without control characters.
fleet::NodeFacts cleaned(fleet::NodeFacts facts);
std::vector<fleet::Problem> cleaned(std::vector<fleet::Problem> problems);

Status check_report(const wire::ScanReport& report);
Status check_set(const fleet::PackageSet& set);
Status check_set(const fleet::OfferSet& set);
Status check_result(const wire::OrderResult& result);
Status check_own_run(const wire::OwnRun& own);
Status check_association_ids(const std::vector<std::string>& ids);
Status check_taken_up(const wire::Hello& hello);

}  // namespace belay::server
