#include "server/api/request_metrics.hpp"

#include <gtest/gtest.h>

namespace belay::server {
namespace {

TEST(RequestMetrics, CountsByOperationAndStatusAndTime) {
  RequestMetrics metrics;
  metrics.note("ListCommands", 200, Duration(1));
  metrics.note("ListCommands", 200, Duration(1'500));
  metrics.note("ListCommands", 400, Duration(7));
  metrics.note("", 400, Duration(60'000));
  const auto text = metrics.text();
  for (const auto* line :
       {"# TYPE belay_requests_total counter\n", "belay_requests_total{operation=\"ListCommands\",status=\"200\"} 2\n",
        "belay_requests_total{operation=\"ListCommands\",status=\"400\"} 1\n",
        "belay_requests_total{operation=\"unknown\",status=\"400\"} 1\n", "_bucket{le=\"0.001\"} 1\n",
        "_bucket{le=\"0.005\"} 1\n", "_bucket{le=\"0.010\"} 2\n", "_bucket{le=\"5.000\"} 3\n",
        "_bucket{le=\"+Inf\"} 4\n", "_seconds_sum 61.508\n", "_seconds_count 4\n"})
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
}

}  // namespace
}  // namespace belay::server
