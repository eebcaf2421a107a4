#pragma once
// The operation table's door. The same operations answer
//   POST /                 X-Amz-Target: AmazonSSM.<Operation>, SigV4  (aws, boto3, Terraform)
//   POST /api/<Operation>  Authorization: Bearer <token>               (belay, the console)
// with JSON in and out. SSM's operations have SSM's names, fields, limits and errors; ours (shapes/belay.shapes) are
// written in the same manner. Every change leaves an entry in the audit log, in the same transaction.
#include <memory>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "io/event_loop.hpp"
#include "io/http.hpp"
#include "server/engine/services.hpp"

namespace belay::server {

struct ApiSettings {
  std::size_t body_bytes_max = 1 << 20;  // of one request; more is refused before it is parsed
  Duration clock_skew_max{300'000};      // of a signed request, either way
  std::string base_url{};                // "https://host:port" of links that point here; "": as the client reached us
};

class Api {
 public:
  // Handlers block on the store, so they run on `workers`. Everything outlives the Api.
  Api(const Services& services, io::WorkerPool& workers, ApiSettings settings = {});
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // Whether the request is the API's to answer: POST /, /api/<anything>, and the snapshot downloads it links to.
  static bool wants(const io::HttpRequest& request);
  // What a request is told that was refused before anybody read it.
  static io::HttpResponse unread(int http_status, std::string_view words);
  // Called on the loop; returns at once. Answers from a worker, or here where the queue is full (ThrottlingException).
  void handle(io::HttpRequest request, std::unique_ptr<io::Responder> responder);
  // The same on the calling thread; blocks. For tests and for callers that have a thread.
  io::HttpResponse answer(const io::HttpRequest& request);
  // Requests by operation and status, and their times, as Prometheus reads them.
  std::string metrics() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace belay::server
