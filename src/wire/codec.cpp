#include "wire/codec.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::wire {

#define BELAY_WIRE_NAME(Type, text)    \
  template <>                          \
  std::string_view type_name<Type>() { \
    return text;                       \
  }

BELAY_WIRE_NAME(Ack, "ack")
BELAY_WIRE_NAME(Refused, "refused")
BELAY_WIRE_NAME(Hello, "hello")
BELAY_WIRE_NAME(FactsReport, "facts_report")
BELAY_WIRE_NAME(ScanReport, "scan_report")
BELAY_WIRE_NAME(PackageSetUpload, "package_set_upload")
BELAY_WIRE_NAME(OfferSetUpload, "offer_set_upload")
BELAY_WIRE_NAME(OrderUpdate, "order_update")
BELAY_WIRE_NAME(OrderResult, "order_result")
BELAY_WIRE_NAME(BackupWatched, "backup_watched")
BELAY_WIRE_NAME(OwnRun, "own_run")
BELAY_WIRE_NAME(AssociationsWanted, "associations_wanted")
BELAY_WIRE_NAME(Welcome, "welcome")
BELAY_WIRE_NAME(NeedSets, "need_sets")
BELAY_WIRE_NAME(SignedOrder, "signed_order")
BELAY_WIRE_NAME(CancelOrder, "cancel_order")

#undef BELAY_WIRE_NAME

namespace {
constexpr std::size_t kIdBytesMax = 64;

template <typename Set, typename Member>
std::string canonical(Set set, Member member) {
  auto& items = set.*member;
  std::ranges::sort(items);
  const auto repeats = std::ranges::unique(items);
  items.erase(repeats.begin(), repeats.end());
  return json::to_canonical_text(json::encode(set));
}
}  // namespace

std::string to_text(const Envelope& envelope) { return json::encode_text(envelope); }

Result<Envelope> parse_envelope(std::string_view text) {
  BELAY_TRY_ASSIGN(auto envelope, json::decode_text<Envelope>(text, {.bytes_max = kMessageBytesMax, .depth_max = 16}));
  if (envelope.version == 0 || envelope.version > kProtocolVersion)
    return Error(Code::unsupported, "message version " + std::to_string(envelope.version) +
                                        " is not spoken here (newest: " + std::to_string(kProtocolVersion) +
                                        "); upgrade this end");
  if (envelope.id.empty() || envelope.id.size() > kIdBytesMax || !is_valid_utf8(envelope.id))
    return Error(Code::invalid_argument, "message has no usable id");
  return envelope;
}

std::string canonical_text(const fleet::PackageSet& set) { return canonical(set, &fleet::PackageSet::packages); }
std::string canonical_text(const fleet::OfferSet& set) { return canonical(set, &fleet::OfferSet::offers); }

std::string canonical_text(const std::vector<OfflineAssociation>& associations) {
  return json::to_canonical_text(json::encode(associations));
}

std::string own_run_name(std::string_view node_id, const AssociationDue& due) {
  return "belay association run\n" + std::string(node_id) + "\n" + due.association_id + "\n" +
         std::to_string(due.version) + "\n" + std::to_string(to_unix_ms(due.due_at));
}

}  // namespace belay::wire
