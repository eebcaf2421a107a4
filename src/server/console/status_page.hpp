#pragma once
// GET / and /console/…: the status page, until the console proper stands here. Read only.
#include "base/time.hpp"
#include "io/http.hpp"
#include "server/console/status_view.hpp"
#include "store/store.hpp"

namespace belay::server {

struct StatusPageSettings {
  std::string version;
  Duration online_within{};  // a node heard of within this counts as online
};

// Everything shown in one reading of the store. The verdicts are the recorded ones: a baseline that was changed since
// shows with the next scan (`belay compliance` judges anew); but one whose scan is stale or whose node is dark by the
// policy of engine/judge.hpp is unknown at once.
Result<StatusView> gather_status(store::Store& store, const StatusPageSettings& settings, Instant now);

// Blocking (reads the store): call from a worker. The caller signs in with HTTP Basic, any name, a token as the
// password; 401 without. Only GET and HEAD.
class StatusPage {
 public:
  StatusPage(store::Store& store, const Clock& clock, StatusPageSettings settings)
      : store_(store), clock_(clock), settings_(std::move(settings)) {}
  io::HttpResponse handle(const io::HttpRequest& request);

 private:
  bool signed_in(const io::HttpRequest& request);
  store::Store& store_;
  const Clock& clock_;
  StatusPageSettings settings_;
};

}  // namespace belay::server
