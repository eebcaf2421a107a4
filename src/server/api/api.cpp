#include "server/api/api.hpp"

#include "base/ids.hpp"
#include "base/log.hpp"
#include "base/marked_json.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "server/api/authentication.hpp"
#include "server/api/not_offered.hpp"
#include "server/api/operation.hpp"
#include "server/api/request_metrics.hpp"
#include "server/api/shapes/validate.hpp"
#include "server/api/snapshot_link.hpp"
#include "server/engine/permissions.hpp"
#include "store/idempotency.hpp"

namespace belay::server {
namespace {

constexpr std::string_view kTokenPath = "/api/";
constexpr std::string_view kTargetPrefix = "AmazonSSM.";
constexpr std::size_t kJsonDepthMax = 32;
// Two requests that are alike have one signature where they are signed in the same second; the second one more is the
// way.
constexpr Duration kSameSecond{2'000};

Error unknown_operation(std::string_view name) {
  return failure("UnknownOperationException",
                 name.empty() ? "the request names no operation: send the header 'X-Amz-Target: AmazonSSM.OPERATION'"
                              : "there is no operation '" + sanitize(name, 128) + "'");
}

Error not_offered(const std::string& name) {
  const auto instead = instead_of(name);
  return failure("UnsupportedOperationException", "Belay does not offer the operation " + name +
                                                      (instead.empty() ? std::string() : ": " + std::string(instead)));
}

Result<std::string> operation_name(const io::HttpRequest& request, bool by_token) {
  if (by_token) return std::string(request.path().substr(kTokenPath.size()));
  const std::string_view target = request.headers.get("x-amz-target");
  if (!target.starts_with(kTargetPrefix)) return unknown_operation(target);
  return std::string(target.substr(kTargetPrefix.size()));
}

std::string base_url_of(const io::HttpRequest& request) {
  return std::string(request.encrypted ? "https://" : "http://") + std::string(request.headers.get("host"));
}

Result<json::Value> parse_body(const std::string& body, std::size_t bytes_max) {
  if (trim(body).empty()) return json::Value(json::Object());
  auto parsed = parse_strict_json(body, {.bytes_max = bytes_max, .depth_max = kJsonDepthMax});
  if (!parsed.ok())
    return failure("SerializationException", "the body is no JSON that can be read: " + parsed.error().message());
  if (!parsed->is_object()) return failure("SerializationException", "the body must be a JSON object");
  return parsed;
}

}  // namespace

struct Api::Impl {
  Services services;
  io::WorkerPool& workers;
  ApiSettings settings;
  Catalogue catalogue{};
  RequestMetrics metrics{};

  io::HttpResponse reply_to(const io::HttpRequest& request);

  Result<json::Object> carry_out(const io::HttpRequest& request) {
    if (request.method != "POST") return failure("MethodNotAllowedException", "operations are asked for with POST");
    if (request.body.size() > settings.body_bytes_max)
      return failure("RequestEntityTooLargeException", "a request of " + std::to_string(request.body.size()) +
                                                           " bytes is over the limit of " +
                                                           std::to_string(settings.body_bytes_max));
    const bool by_token = request.path().starts_with(kTokenPath);
    BELAY_TRY_ASSIGN(const auto name, operation_name(request, by_token));
    const Instant now = services.clock.now();
    BELAY_TRY_ASSIGN(const auto caller,
                     by_token ? sign_in_with_token(services.store, request, now)
                              : sign_in_with_signature(services.store, request, now, settings.clock_skew_max));
    const auto* operation = shapes::model().operation(name);
    if (!operation) return unknown_operation(name);
    const std::string action = (operation->ours ? "belay:" : "ssm:") + name;
    if (!is_allowed(caller.principal.permissions, action))
      return failure("AccessDeniedException", "User: " + caller.principal.name + " is not authorized to perform: " +
                                                  action + " because none of its permissions allows it");
    const auto* row = find_operation(name);
    if (!row) return not_offered(name);
    BELAY_TRY_ASSIGN(const auto body, parse_body(request.body, settings.body_bytes_max));
    const bool own_wire = caller.signature.empty();  // no SDK that may know more than we do
    if (operation->input) BELAY_TRY(validated(*operation->input, body, own_wire));
    // With a ClientToken the answer is the first one's, so nothing is made twice.
    const bool told_apart = row->effect == Effect::makes && !json::text_or_empty(body, "ClientToken").empty();
    const Effect effect = told_apart ? Effect::sets : row->effect;
    if (effect != Effect::reads && !caller.signature.empty()) BELAY_TRY(refuse_replay(caller, effect, now));
    return row->handler(Call{services, catalogue, row->name, action, caller.principal.name, body, now,
                             settings.base_url.empty() ? base_url_of(request) : settings.base_url});
  }

  static Status validated(const shapes::Shape& input, const json::Value& body, bool own_wire) {
    const auto refusal =
        shapes::validate(input, body, own_wire ? shapes::Unknown::refused : shapes::Unknown::passed_over);
    if (!refusal) return {};
    const bool serialization = refusal->kind == shapes::Refusal::Kind::serialization;
    return failure(serialization ? "SerializationException" : "ValidationException", refusal->message);
  }

  // A signature that was taken in never changes anything later: it is kept as long as its date is good; in the store,
  // so that it holds for every server. Two that were signed in one second are the same: whoever asks so fast is told to
  // come again, which the SDKs do, signed anew. Later it is no honest client's any more.
  Status refuse_replay(const SignedIn& caller, Effect effect, Instant now) {
    const store::idempotency::Key key{caller.principal.name, "signature", caller.signature};
    return services.store.write([&](store::Sql& sql) -> Status {
      BELAY_TRY_ASSIGN(const auto before, store::idempotency::recall(sql, key, caller.signature, now));
      if (!before)
        return store::idempotency::remember(sql, key, caller.signature, to_iso8601(now), now,
                                            2 * settings.clock_skew_max + kSameSecond);
      const auto first = parse_iso8601(*before);
      const bool same_second = first.ok() && now >= *first && now - *first <= kSameSecond;
      if (same_second && effect == Effect::sets) return {};
      if (same_second)
        return failure("ThrottlingException",
                       "the same request was signed in this very second, and it is not carried out twice: try again");
      return failure("RequestReplayedException",
                     "this very request was received before and is not carried out twice: sign it anew to repeat it");
    });
  }
};

Api::Api(const Services& services, io::WorkerPool& workers, ApiSettings settings)
    : impl_(new Impl{.services = services, .workers = workers, .settings = settings}) {
  shapes::model();  // read the tables now, not at the first request
}
Api::~Api() = default;

bool Api::wants(const io::HttpRequest& request) {
  return request.path().starts_with(kTokenPath) || (request.method == "POST" && request.path() == "/");
}

void Api::handle(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  struct Work {
    io::HttpRequest request;
    std::unique_ptr<io::Responder> responder;
  };
  const auto work = std::make_shared<Work>(Work{std::move(request), std::move(responder)});
  if (impl_->workers.submit([this, work] { work->responder->respond(answer(work->request)); })) return;
  const std::string request_id = make_uuid(io::random_bytes(kIdRandomBytes));
  const auto response = error_response(
      wire_error(failure("ThrottlingException", "Rate exceeded: the server has too much to do at once"), request_id),
      request_id);
  impl_->metrics.note("", response.status, Duration::zero());
  work->responder->respond(response);
}

io::HttpResponse Api::answer(const io::HttpRequest& request) {
  if (request.method == "GET" && request.path().starts_with(kSnapshotPath))
    return answer_snapshot_link(impl_->services, request);
  const Duration begun = impl_->services.clock.monotonic();
  auto response = impl_->reply_to(request);
  const auto name = operation_name(request, request.path().starts_with(kTokenPath));
  const bool known = name.ok() && shapes::model().operation(*name);
  impl_->metrics.note(known ? *name : "", response.status, impl_->services.clock.monotonic() - begun);
  return response;
}

io::HttpResponse Api::unread(int http_status, std::string_view words) {
  return unread_response(http_status, words, make_uuid(io::random_bytes(kIdRandomBytes)));
}

std::string Api::metrics() const { return impl_->metrics.text(); }

io::HttpResponse Api::Impl::reply_to(const io::HttpRequest& request) {
  const std::string request_id = make_uuid(io::random_bytes(kIdRandomBytes));
  const auto reply = carry_out(request);
  if (!reply.ok()) {
    const auto name = operation_name(request, request.path().starts_with(kTokenPath));
    const auto* operation = name.ok() ? shapes::model().operation(*name) : nullptr;
    WireError error = wire_error(reply.error(), request_id);
    if (operation) error = named_for(*operation, std::move(error));
    if (error.http_status == 500)
      log::error("api-failed", {{"request_id", request_id}, {"target", request.target}, {"error", reply.error()}});
    return error_response(error, request_id);
  }
  io::HttpResponse response;
  response.headers.set("Content-Type", "application/x-amz-json-1.1");
  response.headers.set("x-amzn-RequestId", request_id);
  response.body = json::to_text(*reply);
  return response;
}

}  // namespace belay::server
