#pragma once
// GET / and /console/…: the status page, until the console proper stands here. Read only.
#include "base/time.hpp"
#include "io/http.hpp"
#include "server/console/status_view.hpp"
#include "server/engine/judge.hpp"
#include "store/store.hpp"

namespace belay::server {

struct StatusPageSettings {
  std::string version;
  Duration online_within{};  // a node heard of within this counts as online
};

// Everything shown is judged now by the baseline in force (engine/judge.hpp), as the API and `belay compliance` judge:
// none of the three shows a verdict of rules that are over.
Result<StatusView> gather_status(store::Store& store, Judge& judge, const StatusPageSettings& settings, Instant now);

// Blocking (reads the store): call from a worker. The caller signs in with HTTP Basic, any name, a token as the
// password; 401 without. Only GET and HEAD.
class StatusPage {
 public:
  StatusPage(store::Store& store, Judge& judge, const Clock& clock, StatusPageSettings settings)
      : store_(store), judge_(judge), clock_(clock), settings_(std::move(settings)) {}
  io::HttpResponse handle(const io::HttpRequest& request);

 private:
  bool signed_in(const io::HttpRequest& request);
  store::Store& store_;
  Judge& judge_;
  const Clock& clock_;
  StatusPageSettings settings_;
};

}  // namespace belay::server
