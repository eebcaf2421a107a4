// Any bytes that a node sends are refused with a reason, or pass the checks and can be written again.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "server/engine/facts_check.hpp"
#include "wire/codec.hpp"

namespace {

template <typename Message, typename Check>
void try_as(const belay::wire::Envelope& envelope, const Check& check) {
  const auto message = belay::wire::unpack<Message>(envelope);
  if (!message.ok()) return;
  const belay::Status checked = check(*message);
  BELAY_ASSERT(checked.ok() || !checked.error().message().empty());
  if (checked.ok()) BELAY_ASSERT(belay::wire::unpack<Message>(belay::wire::pack("id", *message)).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  const auto envelope = wire::parse_envelope({reinterpret_cast<const char*>(data), size});
  if (!envelope.ok()) {
    BELAY_ASSERT(!envelope.error().message().empty());
    return 0;
  }
  try_as<wire::Hello>(*envelope, [](const auto& m) { return server::check_facts(m.facts); });
  try_as<wire::Hello>(*envelope, [](const auto& m) { return server::check_taken_up(m); });
  try_as<wire::AssociationsWanted>(*envelope,
                                   [](const auto& m) { return server::check_association_ids(m.association_ids); });
  try_as<wire::FactsReport>(*envelope, [](const auto& m) { return server::check_facts(m.facts); });
  try_as<wire::ScanReport>(*envelope, [](const auto& m) { return server::check_report(m); });
  try_as<wire::PackageSetUpload>(*envelope, [](const auto& m) { return server::check_set(m.set); });
  try_as<wire::OfferSetUpload>(*envelope, [](const auto& m) { return server::check_set(m.set); });
  try_as<wire::OrderResult>(*envelope, [](const auto& m) { return server::check_result(m); });
  try_as<wire::OwnRun>(*envelope, [](const auto& m) { return server::check_own_run(m); });
  return 0;
}
