#pragma once
// Envelopes to text and back. Encode and decode only.
#include <string>
#include <string_view>

#include "wire/messages.hpp"

namespace belay::wire {

// The wire name of a message type: "scan_report" for ScanReport.
template <typename Message>
std::string_view type_name();
template <>
std::string_view type_name<Ack>();
template <>
std::string_view type_name<Refused>();
template <>
std::string_view type_name<Hello>();
template <>
std::string_view type_name<FactsReport>();
template <>
std::string_view type_name<ScanReport>();
template <>
std::string_view type_name<PackageSetUpload>();
template <>
std::string_view type_name<OfferSetUpload>();
template <>
std::string_view type_name<OrderUpdate>();
template <>
std::string_view type_name<OrderResult>();
template <>
std::string_view type_name<OwnRun>();
template <>
std::string_view type_name<BackupWatched>();
template <>
std::string_view type_name<AssociationsWanted>();
template <>
std::string_view type_name<Welcome>();
template <>
std::string_view type_name<NeedSets>();
template <>
std::string_view type_name<SignedOrder>();
template <>
std::string_view type_name<CancelOrder>();

template <typename Message>
Envelope pack(std::string id, const Message& message) {
  return {kProtocolVersion, std::move(id), std::string(type_name<Message>()), json::encode(message)};
}

// invalid_argument where the envelope is of another type or its body does not decode.
template <typename Message>
Result<Message> unpack(const Envelope& envelope) {
  if (envelope.type != type_name<Message>())
    return Error(Code::invalid_argument,
                 "message is '" + envelope.type + "', not '" + std::string(type_name<Message>()) + "'");
  return json::decode<Message>(envelope.body).within("message '" + envelope.type + "'");
}

std::string to_text(const Envelope& envelope);
// Bounded by kMessageBytesMax; unsupported where the version is newer than ours.
Result<Envelope> parse_envelope(std::string_view text);

// The bytes whose SHA-256 names a set. Sorts first, so that equal sets have equal names.
std::string canonical_text(const fleet::PackageSet& set);
std::string canonical_text(const fleet::OfferSet& set);
std::string canonical_text(const std::vector<OfflineAssociation>& associations);
// The bytes whose SHA-256 makes the id of the order that is this run on this node, whoever begins it.
std::string own_run_name(std::string_view node_id, const AssociationDue& due);

}  // namespace belay::wire
