#include "server/gateway/gateway.hpp"

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "server/engine/metrics_text.hpp"
#include "server/gateway/gateway_impl.hpp"
#include "server/gateway/replies.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr std::size_t kAddressesMax = 10'000;  // with failed enrolments, remembered
constexpr std::size_t kEnrollBytesMax = 1u << 20;
constexpr Duration kGreetWithin{60'000};
constexpr Duration kSilentLook{10'000};
constexpr std::string_view kProgramPath = "/agent/v1/program/";
}  // namespace

void Gateway::Impl::begin() {
  revoked_known_until = parts.services.clock.now();
  const std::weak_ptr<Impl> weak = weak_from_this();
  intake = std::make_unique<IntakeThread>(IntakeThread::Parts{
      parts.services.store, parts.services.clock, parts.services.judge,
      [this](const Session& session) { return welcome(session); },
      [this](std::shared_ptr<Session> session) { post([this, session = std::move(session)] { greeted(session); }); },
      [this](std::shared_ptr<Session> session) {
        post([this, session = std::move(session)] { poll_settled(session); });
      },
      parts.poke_engine, settings.queue_bytes_max});
}

void Gateway::Impl::every(Duration interval, void (Impl::*task)()) {
  parts.loop.run_after(interval, [self = shared_from_this(), interval, task] {
    if (self->stopped) return;
    (self.get()->*task)();
    self->every(interval, task);
  });
}

// ---- enrolment

bool Gateway::Impl::too_many_failures(const std::string& address) {
  const auto at = failures.find(address);
  if (at == failures.end()) return false;
  if (passed() - at->second.since > Duration(60'000)) return failures.erase(at), false;
  return at->second.count >= settings.failed_enrolments_a_minute;
}

void Gateway::Impl::failed_enrolment(const std::string& address) {
  if (failures.size() >= kAddressesMax) failures.clear();
  auto& from = failures[address];
  if (from.count++ == 0) from.since = passed();
}

void Gateway::Impl::enroll(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  if (too_many_failures(request.peer_address))
    return responder->respond(
        error_response(Error(Code::resource_exhausted, "too many failed enrolments from this address; wait a minute")));
  if (!enrolments.take(passed())) return responder->respond(come_back_later("too many enrolments at once"));
  const std::shared_ptr<io::Responder> shared = std::move(responder);
  const bool taken = work([self = shared_from_this(), request = std::move(request), shared] {
    const auto decoded =
        json::decode_text<wire::EnrollRequest>(request.body, {.bytes_max = kEnrollBytesMax, .depth_max = 16});
    const auto reply = decoded.ok() ? self->parts.services.nodes.enroll(*decoded, request.peer_address)
                                    : Result<wire::EnrollReply>(decoded.error());
    if (reply.ok()) {
      self->counters.enrolled += 1;
      log::info("node-enrolled", {{"node", reply->node_id}, {"address", request.peer_address}});
    } else {
      self->counters.enrolments_failed += 1;
      log::warning("enrolment-failed", {{"address", request.peer_address}, {"error", reply.error()}});
      self->post([self, address = request.peer_address] { self->failed_enrolment(address); });
    }
    shared->respond(answer(reply));
  });
  if (!taken) shared->respond(come_back_later("the server is busy"));
}

// Who it is, by its certificate alone, and that it still belongs to the fleet.
Result<std::string> Gateway::Impl::certified(const io::HttpRequest& request) {
  auto& services = parts.services;
  BELAY_TRY_ASSIGN(const auto node_id, services.store.read([&](Sql& sql) {
    return store::nodes::authenticate(sql, request.peer_serial_hex, services.clock.now());
  }));
  if (node_id != request.peer_common_name) return Error(Code::unauthenticated, "the certificate is not this node's");
  return node_id;
}

void Gateway::Impl::renew(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  const std::shared_ptr<io::Responder> shared = std::move(responder);
  const bool taken = work([self = shared_from_this(), request = std::move(request), shared] {
    const auto renewed = [&]() -> Result<wire::RenewReply> {
      auto& services = self->parts.services;
      BELAY_TRY_ASSIGN(const auto node_id, self->certified(request));
      BELAY_TRY_ASSIGN(const auto decoded, json::decode_text<wire::RenewRequest>(
                                               request.body, {.bytes_max = kEnrollBytesMax, .depth_max = 8}));
      return services.nodes.renew(node_id, decoded);
    }();
    shared->respond(answer(renewed));
  });
  if (!taken) shared->respond(come_back_later("the server is busy"));
}

void Gateway::Impl::give_secrets(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  const std::shared_ptr<io::Responder> shared = std::move(responder);
  const bool taken = work([self = shared_from_this(), request = std::move(request), shared] {
    const auto found = [&]() -> Result<wire::SecretsReply> {
      auto& services = self->parts.services;
      if (!services.backups) return Error(Code::not_found, "this server makes no backups");
      BELAY_TRY_ASSIGN(const auto node_id, self->certified(request));
      BELAY_TRY_ASSIGN(const auto asked, json::decode_text<wire::SecretsRequest>(
                                             request.body, {.bytes_max = kEnrollBytesMax, .depth_max = 8}));
      return services.backups->secrets_for(node_id, asked.order_id);
    }();
    shared->respond(answer(found));
  });
  if (!taken) shared->respond(come_back_later("the server is busy"));
}

void Gateway::Impl::give_program(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  const std::shared_ptr<io::Responder> shared = std::move(responder);
  const bool taken = work([self = shared_from_this(), request = std::move(request), shared] {
    auto& services = self->parts.services;
    const auto node_id = services.store.read(
        [&](Sql& sql) { return store::nodes::authenticate(sql, request.peer_serial_hex, services.clock.now()); });
    if (!node_id.ok()) return shared->respond(error_response(node_id.error()));
    const auto* program = self->parts.program;
    if (!program || request.path() != std::string(kProgramPath) + program->sha256)
      return shared->respond(error_response(Error(Code::not_found, "this server gives out another agent, or none")));
    io::HttpResponse response;
    response.headers.set("Content-Type", "application/octet-stream");
    response.body = program->bytes;
    shared->respond(std::move(response));
  });
  if (!taken) shared->respond(come_back_later("the server is busy"));
}

// ---- the long poll

void Gateway::Impl::exchange(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  const std::shared_ptr<io::Responder> shared = std::move(responder);
  const bool taken = work(
      [self = shared_from_this(), request = std::move(request), shared] { self->exchange_in_worker(request, shared); });
  if (!taken) shared->respond(come_back_later("the server is busy"));
}

namespace {
// A shared responder behind the unique one that a parked poll owns.
class SharedResponder : public io::Responder {
 public:
  explicit SharedResponder(std::shared_ptr<io::Responder> inner) : inner_(std::move(inner)) {}
  void respond(io::HttpResponse response) override { inner_->respond(std::move(response)); }

 private:
  std::shared_ptr<io::Responder> inner_;
};
}  // namespace

void Gateway::Impl::exchange_in_worker(const io::HttpRequest& request,
                                       const std::shared_ptr<io::Responder>& responder) {
  auto& services = parts.services;
  const auto node_id = services.store.read(
      [&](Sql& sql) { return store::nodes::authenticate(sql, request.peer_serial_hex, services.clock.now()); });
  if (!node_id.ok()) return responder->respond(error_response(node_id.error()));
  if (*node_id != request.peer_common_name)
    return responder->respond(error_response(Error(Code::unauthenticated, "the certificate is not this node's")));
  auto decoded =
      json::decode_text<wire::Exchange>(request.body, {.bytes_max = wire::kMessageBytesMax, .depth_max = 20});
  if (!decoded.ok()) return responder->respond(error_response(decoded.error()));
  if (decoded->messages.size() > settings.session_messages_max)
    return responder->respond(
        error_response(Error(Code::invalid_argument,
                             "messages has more than " + std::to_string(settings.session_messages_max) + " entries")));
  for (const auto& message : decoded->messages)
    if (message.version == 0 || message.version > wire::kProtocolVersion || message.id.empty() ||
        message.id.size() > 64)
      return responder->respond(
          error_response(Error(Code::unsupported, "a message's version or id is not understood here")));
  post([this, self = shared_from_this(), responder, request, messages = std::move(decoded->messages)]() mutable {
    auto session = std::make_shared<Session>(++next_number, request.peer_common_name, request.peer_serial_hex,
                                             request.peer_address);
    session->cancels = polled_cancels;
    polled.insert(session->node_id);
    finish_poll(session->node_id);  // an older one of this node was given up
    auto& parked = polls[session->node_id];
    parked.session = session;
    parked.responder = std::make_unique<SharedResponder>(responder);
    parked.timer = parts.loop.run_after(settings.poll_for, [self, session] {
      const auto at = self->polls.find(session->node_id);
      if (at != self->polls.end() && at->second.session == session) self->finish_poll(session->node_id);
    });
    counters.polls = polls.size();
    if (!intake->submit(session, std::move(messages), request.body.size())) finish_poll(session->node_id);
  });
}

// Its messages are taken in: answer at once where there is something to say, else wait for an order.
void Gateway::Impl::poll_settled(std::shared_ptr<Session> session) {
  session->greeted = true;
  deliver({session});
}

void Gateway::Impl::finish_poll(const std::string& node_id) {
  const auto at = polls.find(node_id);
  if (at == polls.end()) return;
  auto parked = std::move(at->second);
  polls.erase(at);
  counters.polls = polls.size();
  parts.loop.cancel(parked.timer);
  auto last = parked.session->end_poll();
  const bool refused = last.was_closed && last.replies.empty();
  const wire::Exchange reply{std::move(last.replies)};
  parked.responder->respond(refused ? error_response(Error(Code::unauthenticated, "not (any longer) a node"))
                                    : json_response(200, json::encode_text(reply)));
}

// ---- links

void Gateway::Impl::opened(std::shared_ptr<io::WebSocket> socket) {
  auto session = std::make_shared<Session>(++next_number, socket->handshake.peer_common_name,
                                           socket->handshake.peer_serial_hex, socket->handshake.peer_address);
  const std::weak_ptr<Impl> weak = weak_from_this();
  socket->on_message = [weak, session_weak = std::weak_ptr(session)](std::string text) {
    const auto self = weak.lock();
    const auto alive = session_weak.lock();
    if (self && alive && !self->stopped) self->received(alive, std::move(text));
  };
  socket->on_close = [weak, session_weak = std::weak_ptr(session)](std::string_view) {
    const auto self = weak.lock();
    const auto alive = session_weak.lock();
    if (self && alive) self->gone(alive);
  };
  session->socket = std::move(socket);
  ungreeted.insert(session);
  counters.ungreeted = ungreeted.size();
  session->opened_at = passed();
}

// One look over the few that have said nothing yet, instead of a timer for each of thousands.
void Gateway::Impl::close_silent() {
  std::vector<std::shared_ptr<Session>> silent;
  for (const auto& session : ungreeted)
    if (passed() - session->opened_at >= kGreetWithin) silent.push_back(session);
  for (const auto& session : silent) session->close("no hello came");
}

void Gateway::Impl::received(const std::shared_ptr<Session>& session, std::string text) {
  if (session->closed) return;
  if (session->waiting >= settings.session_messages_max || !intake->submit(session, std::move(text)))
    session->close("too much at once; come again");
}

wire::Welcome Gateway::Impl::welcome(const Session& session) const {
  wire::Welcome welcome;
  welcome.server_time = parts.services.clock.now();
  welcome.order_public_key = to_base64(parts.authority.order_public_key);
  // The same node always gets the same share of the spread.
  const auto spread = static_cast<unsigned char>(io::sha256(session.node_id).front());
  welcome.scan_every = settings.scan_every + settings.scan_every * spread / 2560;
  welcome.heartbeat_every = settings.heartbeat_every;
  return welcome;
}

void Gateway::Impl::greeted(const std::shared_ptr<Session>& session) {
  if (!session->socket) return;
  ungreeted.erase(session);
  counters.ungreeted = ungreeted.size();
  if (session->closed) return;
  auto& place = links[session->node_id];
  if (place && place != session) {
    counters.takeovers += 1;
    place->close("another connection of this node took over");
  }
  place = session;
  counters.links = links.size();
  deliver({session});
}

void Gateway::Impl::gone(const std::shared_ptr<Session>& session) {
  session->closed = true;
  ungreeted.erase(session);
  counters.ungreeted = ungreeted.size();
  const auto at = links.find(session->node_id);
  if (at != links.end() && at->second == session) links.erase(at);
  counters.links = links.size();
  session->socket->on_message = nullptr;
}

// ---- the outside

Gateway::Gateway(GatewayParts parts, GatewaySettings settings)
    : impl_(std::make_shared<Impl>(std::move(parts), settings)) {
  impl_->begin();
}

Gateway::~Gateway() { stop(); }

bool Gateway::wants(const io::HttpRequest& request) { return request.path().starts_with("/agent/v1/"); }

void Gateway::handle(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  const auto path = request.path();
  if (impl_->stopped) return responder->respond(come_back_later("the server stops"));
  if (path.starts_with(kPoolPath)) return impl_->pool(std::move(request), std::move(responder));
  const bool program = path.starts_with(kProgramPath);
  if (request.method != (program ? "GET" : "POST"))
    return responder->respond(
        json_response(405, R"({"code":"invalid_argument","message":"another method is wanted here"})"));
  if (path == "/agent/v1/enroll") return impl_->enroll(std::move(request), std::move(responder));
  if (!program && path != "/agent/v1/renew" && path != "/agent/v1/exchange" && path != "/agent/v1/secrets")
    return responder->respond(error_response(Error(Code::not_found, "there is nothing at this address")));
  if (request.peer_common_name.empty() || request.peer_serial_hex.empty())
    return responder->respond(error_response(Error(Code::unauthenticated, "a node's certificate is needed here")));
  if (program) return impl_->give_program(std::move(request), std::move(responder));
  if (path == "/agent/v1/renew") return impl_->renew(std::move(request), std::move(responder));
  if (path == "/agent/v1/secrets") return impl_->give_secrets(std::move(request), std::move(responder));
  impl_->exchange(std::move(request), std::move(responder));
}

std::optional<io::HttpResponse> Gateway::upgrade(const io::HttpRequest& request) {
  if (request.path() != "/agent/v1/link")
    return error_response(Error(Code::not_found, "there is nothing at this address"));
  if (request.peer_common_name.empty() || request.peer_serial_hex.empty())
    return error_response(Error(Code::unauthenticated, "a node's certificate is needed here"));
  if (impl_->stopped) return come_back_later("the server stops");
  if (!impl_->new_links.take(impl_->passed())) {
    impl_->counters.links_refused += 1;
    return come_back_later("too many connections at once");
  }
  return std::nullopt;
}

void Gateway::opened(std::shared_ptr<io::WebSocket> socket) { impl_->opened(std::move(socket)); }

void Gateway::start() {
  impl_->every(impl_->settings.look_every, &Impl::look);
  impl_->every(impl_->settings.touch_every, &Impl::touch);
  impl_->every(kSilentLook, &Impl::close_silent);
  impl_->every(impl_->settings.resend_after, &Impl::resend);
}

void Gateway::stop() {
  if (impl_->stopped) return;
  std::vector<std::string> parked;
  for (const auto& [id, poll] : impl_->polls) parked.push_back(id);
  for (const auto& id : parked) impl_->finish_poll(id);
  impl_->touch();
  impl_->intake->stop();
  impl_->stopped = true;
}

void Gateway::orders_queued() {
  impl_->post([impl = impl_] { impl->look(); });
}

void Gateway::revoked(std::string_view node_id) {
  impl_->post([impl = impl_, id = std::string(node_id)] { impl->close_node(id, "the node was deregistered"); });
}

std::string Gateway::metrics() const {
  const auto& counters = impl_->counters;
  const auto& taken = impl_->intake->counters;
  MetricsText out;
  out.one("belay_links", "gauge", counters.links);
  out.one("belay_links_ungreeted", "gauge", counters.ungreeted);
  out.one("belay_polls", "gauge", counters.polls);
  out.one("belay_links_refused_total", "counter", counters.links_refused);
  out.one("belay_link_takeovers_total", "counter", counters.takeovers);
  out.one("belay_enrolments_total", "counter", counters.enrolled);
  out.one("belay_enrolments_failed_total", "counter", counters.enrolments_failed);
  out.one("belay_orders_sent_total", "counter", counters.orders_sent);
  out.one("belay_cancels_sent_total", "counter", counters.cancels_sent);
  out.one("belay_orders_held_back_total", "counter", counters.held_back);
  out.one("belay_hellos_total", "counter", taken.hellos);
  out.one("belay_messages_taken_total", "counter", taken.taken);
  out.one("belay_messages_refused_total", "counter", taken.refused);
  out.one("belay_message_batches_total", "counter", taken.batches);
  out.one("belay_clones_suspected_total", "counter", taken.clones);
  out.one("belay_pool_requests_put_off_total", "counter", counters.pool_put_off);
  return out.take() + (impl_->parts.services.pool ? impl_->parts.services.pool->metrics() : "");
}

}  // namespace belay::server
