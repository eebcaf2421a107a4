// Package files between nodes and the pool, a chunk a request. Reading and hashing them is a worker's, never the
// loop's; only a few at once, the others wait their turn, so that a fleet that fetches leaves room for its links.
#include <charconv>

#include "server/gateway/gateway_impl.hpp"
#include "server/gateway/replies.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kQuestionBytesMax = 1u << 20;
constexpr std::size_t kHashDigits = 64;

struct Place {
  std::string sha256;
  std::uint32_t index = 0;
};

// "/agent/v1/pool/SHA256/CHUNK"
Result<Place> place_of(std::string_view path) {
  const Error nothing(Code::not_found, "there is nothing at this address");
  if (path.size() < kPoolPath.size() + kHashDigits + 3 || path[kPoolPath.size()] != '/') return nothing;
  path.remove_prefix(kPoolPath.size() + 1);
  Place place{std::string(path.substr(0, kHashDigits)), 0};
  if (path[kHashDigits] != '/' || place.sha256.find_first_not_of("0123456789abcdef") != std::string::npos)
    return nothing;
  const auto digits = path.substr(kHashDigits + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), place.index);
  if (error != std::errc() || end != digits.data() + digits.size()) return nothing;
  return place;
}

Result<io::HttpResponse> answer_pool(Services& services, const io::HttpRequest& request) {
  BELAY_TRY_ASSIGN(const auto node_id, services.store.read([&](store::Sql& sql) {
    return store::nodes::authenticate(sql, request.peer_serial_hex, services.clock.now());
  }));
  if (node_id != request.peer_common_name) return Error(Code::unauthenticated, "the certificate is not this node's");
  if (request.path() == kPoolPath) {
    if (request.method != "POST") return Error(Code::invalid_argument, "POST asks the pool");
    BELAY_TRY_ASSIGN(const auto question, json::decode_text<wire::PoolQuestion>(request.body, {kQuestionBytesMax, 8}));
    BELAY_TRY_ASSIGN(const auto found, services.pool->ask(question));
    return json_response(200, json::encode_text(found));
  }
  BELAY_TRY_ASSIGN(const auto place, place_of(request.path()));
  if (request.method == "PUT") {
    BELAY_TRY_ASSIGN(const auto receipt, services.pool->put(node_id, place.sha256, place.index, request.body));
    return json_response(200, json::encode_text(receipt));
  }
  if (request.method != "GET") return Error(Code::invalid_argument, "a chunk is fetched by GET and sent by PUT");
  io::HttpResponse response;
  BELAY_TRY_ASSIGN(response.body, services.pool->get(node_id, place.sha256, place.index));
  response.headers.set("Content-Type", "application/octet-stream");
  return response;
}

}  // namespace

void Gateway::Impl::pool(io::HttpRequest request, std::unique_ptr<io::Responder> responder) {
  if (request.peer_common_name.empty() || request.peer_serial_hex.empty())
    return responder->respond(error_response(Error(Code::unauthenticated, "a node's certificate is needed here")));
  if (!parts.services.pool)
    return responder->respond(error_response(Error(Code::not_found, "this server keeps no package pool")));
  if (pool_waiting.size() >= settings.pool_requests_waiting_max || !pool_requests.take(passed())) {
    counters.pool_put_off += 1;
    return responder->respond(come_back_later("the package pool is busy"));
  }
  pool_waiting.push_back({std::move(request), std::move(responder)});
  begin_pool_requests();
}

void Gateway::Impl::begin_pool_requests() {
  while (pool_requests_begun < settings.pool_requests_at_once && !pool_waiting.empty()) {
    const auto responder = pool_waiting.front().responder;
    pool_requests_begun += 1;
    const bool taken = work([self = shared_from_this(), next = std::move(pool_waiting.front())] {
      auto done = answer_pool(self->parts.services, next.request);
      next.responder->respond(done.ok() ? std::move(*done) : error_response(done.error()));
      self->post([self] {
        self->pool_requests_begun -= 1;
        self->begin_pool_requests();
      });
    });
    pool_waiting.pop_front();
    if (taken) continue;
    pool_requests_begun -= 1;
    responder->respond(come_back_later("the server is busy"));
  }
}

}  // namespace belay::server
