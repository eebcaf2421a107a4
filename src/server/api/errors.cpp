#include "server/api/errors.hpp"

#include <algorithm>
#include <array>

#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kMessageBytesMax = 4'096;

struct ReasonRow {
  std::string_view reason, type;
};
constexpr ReasonRow kReasons[] = {
    {"idempotent-parameter-mismatch", "IdempotentParameterMismatch"},
    {"baseline-in-use", "ResourceInUseException"},
    {"patch-group-bound", "AlreadyExistsException"},
    {"too-many-tags", "TooManyTagsError"},
    {"too-many-orders", "ThrottlingException"},
    {"snapshot-expired", "InvalidParameters"},
    {"node-deregistered", "InvalidInstanceId"},
    {"node-unknown", "InvalidInstanceId"},
    {"access-key-unknown", "UnrecognizedClientException"},
    {"token-unknown", "UnrecognizedClientException"},
    {"token-expired", "ExpiredTokenException"},
};

struct StatusRow {
  std::string_view type;
  int http_status;
};
// Everything else is 400, as in SSM's protocol.
constexpr StatusRow kStatuses[] = {
    {"InternalServerError", 500},       {"ServiceUnavailableException", 503},
    {"ThrottlingException", 429},       {"RequestEntityTooLargeException", 413},
    {"MethodNotAllowedException", 405}, {"UnsupportedOperationException", 501},
};

// SSM's protocol, the door's and the store's: before any operation.
constexpr std::string_view kOfAnyRequest[] = {"AccessDeniedException",
                                              "ExpiredTokenException",
                                              "IncompleteSignatureException",
                                              "InternalServerError",
                                              "InvalidSignatureException",
                                              "MethodNotAllowedException",
                                              "MissingAuthenticationTokenException",
                                              "RequestEntityTooLargeException",
                                              "RequestReplayedException",
                                              "SerializationException",
                                              "ServiceUnavailableException",
                                              "ThrottlingException",
                                              "UnknownOperationException",
                                              "UnrecognizedClientException",
                                              "UnsupportedOperationException",
                                              "ValidationException"};
struct BesidesRow {
  std::string_view operation, type;
};
// What the model of the operation has no word for: a node that is not there, and a window that others need, which AWS
// deletes all the same.
constexpr BesidesRow kBesides[] = {{"DeleteMaintenanceWindow", "ResourceInUseException"},
                                   {"GetDeployablePatchSnapshotForInstance", "InvalidInstanceId"}};

struct SynonymRow {
  std::string_view type, instead;
};
// What stands in for a name that an operation does not have, where it has that one; else it is a ValidationException.
constexpr SynonymRow kSynonyms[] = {
    {"InvalidTarget", "InvalidParameters"},
    {"InvalidDocumentVersion", "InvalidDocument"},
    {"IdempotentParameterMismatch", "InvalidDeleteInventoryParametersException"},
    {"DoesNotExistException", "ValidationException"},
    {"InvalidNextToken", "ValidationException"},
};

std::string_view type_of(Code code) {
  switch (code) {
    case Code::invalid_argument: return "ValidationException";
    case Code::not_found: return "DoesNotExistException";
    case Code::already_exists: return "AlreadyExistsException";
    case Code::conflict:
    case Code::cancelled: return "ConflictException";
    case Code::permission_denied: return "AccessDeniedException";
    case Code::unauthenticated: return "UnrecognizedClientException";
    case Code::resource_exhausted: return "ResourceLimitExceededException";
    case Code::unavailable:
    case Code::timed_out: return "ServiceUnavailableException";
    case Code::unsupported: return "UnsupportedOperationException";
    case Code::corrupt:
    case Code::internal: return "InternalServerError";
  }
  return "InternalServerError";
}

bool is_exception_name(std::string_view reason) {
  return !reason.empty() && reason.front() >= 'A' && reason.front() <= 'Z';
}

}  // namespace

Error failure(std::string_view type, std::string message) {
  return Error(Code::invalid_argument, std::move(message), std::string(type));
}

WireError wire_error(const Error& error, std::string_view request_id) {
  WireError out;
  const auto* row = std::ranges::find(kReasons, std::string_view(error.reason()), &ReasonRow::reason);
  if (is_exception_name(error.reason())) out.type = error.reason();
  else out.type = row != std::end(kReasons) ? row->type : type_of(error.code());
  const auto* status = std::ranges::find(kStatuses, std::string_view(out.type), &StatusRow::type);
  if (status != std::end(kStatuses)) out.http_status = status->http_status;
  out.message = out.type == "InternalServerError"
                    ? "an error inside the server; its log tells more under request id " + std::string(request_id)
                    : sanitize(error.chain(), kMessageBytesMax);
  return out;
}

bool may_answer(const shapes::Operation& operation, std::string_view type) {
  const auto is_besides = [&](const BesidesRow& row) { return row.operation == operation.name && row.type == type; };
  return std::ranges::find(operation.errors, type) != operation.errors.end() ||
         std::ranges::find(kOfAnyRequest, type) != std::end(kOfAnyRequest) || std::ranges::any_of(kBesides, is_besides);
}

WireError named_for(const shapes::Operation& operation, WireError error) {
  const auto* row = std::ranges::find(kSynonyms, std::string_view(error.type), &SynonymRow::type);
  if (row == std::end(kSynonyms) || may_answer(operation, error.type)) return error;
  error.type = may_answer(operation, row->instead) ? row->instead : "ValidationException";
  return error;
}

io::HttpResponse unread_response(int http_status, std::string_view words, std::string_view request_id) {
  WireError error{"SerializationException", http_status, std::string(words)};
  if (http_status == 413 || http_status == 431) error.type = "RequestEntityTooLargeException";
  if (http_status == 501) error.type = "UnsupportedOperationException";
  if (http_status == 503) error.type = "ServiceUnavailableException";
  return error_response(error, request_id);
}

io::HttpResponse error_response(const WireError& error, std::string_view request_id) {
  io::HttpResponse response;
  response.status = error.http_status;
  response.headers.set("Content-Type", "application/x-amz-json-1.1");
  response.headers.set("x-amzn-RequestId", std::string(request_id));
  response.headers.set("x-amzn-ErrorType", error.type);
  response.body = json::to_text(json::Object{{"__type", error.type}, {"message", error.message}});
  return response;
}

}  // namespace belay::server
