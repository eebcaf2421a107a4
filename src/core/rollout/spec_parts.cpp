#include "core/rollout/spec_parts.hpp"

#include "base/text.hpp"

namespace belay::rollout::parts {
namespace {
using backup::Demand;
using backup::ProofLevel;
constexpr Duration kMinute{60'000}, kYear = std::chrono::days(366);

// "P4", "P4x".
void read_level(const Place& place, Demand& demand) {
  if (!place.find("level")) return;
  const auto text = place.text("level", true, 10);
  const bool offsite = text.ends_with('x');
  const auto rung = std::string_view(text).substr(0, text.size() - (offsite ? 1 : 0));
  if (rung.size() != 2 || rung[0] != 'P' || rung[1] < '0' || rung[1] > '5')
    return place.reader.refuse(place.at("level"), "is '" + sanitize(text, 20) +
                                                      "', expected P0 to P5, with an x (P4x) where the proof must "
                                                      "have been made from the offsite copy");
  demand.level = static_cast<ProofLevel>(rung[1] - '0');
  demand.offsite = offsite;
}

Demand read_demand(const Place& place, Demand demand) {
  place.reader.only(place.object, place.path,
                    {"level", "provenWithin", "pointWithin", "rto", "backUpFirst", "proveFirst"});
  read_level(place, demand);
  demand.proven_within = place.span("provenWithin", demand.proven_within, kMinute, kYear);
  demand.point_within = place.span("pointWithin", demand.point_within, Duration::zero(), kYear);
  demand.rto = place.span("rto", demand.rto, Duration::zero(), kYear);
  demand.back_up_first = place.flag("backUpFirst", demand.back_up_first);
  demand.prove_first = place.flag("proveFirst", demand.prove_first);
  if (demand.rto > Duration::zero() && demand.level < ProofLevel::P3)
    place.reader.refuse(place.at("rto"), "is measured by restoring, and the level is P" +
                                             std::to_string(int(demand.level)) + "; say P3 or more");
  return demand;
}

void read_proof(const Place& place, const Protection& otherwise, Protection& protection) {
  using patchrun::ReversibilityClass;
  const auto word = place.choice("class", "R0,R1,R2,R3", "");
  const bool is_r3 = word == "R3";
  if (word == "R0") protection.least = ReversibilityClass::R0;
  if (word == "R1") protection.least = ReversibilityClass::R1;
  if (word == "R2" || is_r3) protection.least = ReversibilityClass::R2;
  if (is_r3 && !protection.proof) protection.proof = kProofOfR3;
  const auto* proof = place.find("proof");
  if (!proof) return;
  if (proof->is_string() && proof->get_string() == "none") {
    if (is_r3) place.reader.refuse(place.at("proof"), "is none, and R3 is a way back with a proof; say R2");
    protection.proof.reset();
    return;
  }
  place.with("proof",
             [&](const Place& inner) { protection.proof = read_demand(inner, otherwise.proof.value_or(kProofOfR3)); });
}

}  // namespace

Protection read_class_and_proof(const Place& place, const Protection& otherwise) {
  Protection protection{{}, otherwise.proof};
  read_proof(place, otherwise, protection);
  const bool said = place.find("restoreData") != nullptr;
  protection.restore_data = place.flag("restoreData", otherwise.restore_data);
  if (!protection.restore_data) return protection;
  if (!protection.proof) {
    protection.restore_data = false;
    if (said)
      place.reader.refuse(place.at("restoreData"),
                          "puts data back from a backup, and no proof of one is demanded here: an unproven way back is "
                          "none; write a proof beside it, or class: R3");
  } else if (protection.proof->level < ProofLevel::P3 && (said || place.find("proof"))) {
    place.reader.refuse(said ? place.at("restoreData") : place.at("proof"),
                        "wants a backup that was restored (restoreData), and the level demanded is P" +
                            std::to_string(int(protection.proof->level)) + "; say P3 or more");
  }
  return protection;
}

}  // namespace belay::rollout::parts
