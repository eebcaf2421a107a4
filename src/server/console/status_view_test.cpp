#include "server/console/status_view.hpp"

#include <gmock/gmock.h>

namespace belay::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(StatusPage, EscapesWhatNodesSay) {
  StatusView view;
  NodeRow node;
  node.name = "<script>alert('x')</script>\x1b[31m";
  node.why = "release_expired: \"bookworm\" & more";
  view.nodes = {node};
  const auto html = to_html(view);
  EXPECT_THAT(html, Not(HasSubstr("<script>")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;\\x1b[31m"));
  EXPECT_THAT(html, HasSubstr("&quot;bookworm&quot; &amp; more"));
}

TEST(StatusPage, SaysWhatIsNotShown) {
  StatusView view;
  EXPECT_THAT(to_html(view), HasSubstr("No nodes yet"));
  view.nodes.resize(2);
  view.nodes_total = 7;
  EXPECT_THAT(to_html(view), HasSubstr("5 more"));
}

TEST(StatusPage, SaysWhatToDoAboutClones) {
  StatusView view;
  EXPECT_THAT(to_html(view), Not(HasSubstr("belay nodes settle")));
  view.cloned = 2;
  EXPECT_THAT(to_html(view), HasSubstr("2 identities are used by two machines"));
  EXPECT_THAT(to_html(view), HasSubstr("belay nodes settle"));
}

TEST(StatusPage, NeverCallsAnUnknownNodeCompliant) {
  StatusView view;
  view.nodes.resize(1);
  EXPECT_THAT(to_html(view), HasSubstr("badge unknown\">Unknown"));
  EXPECT_THAT(to_html(view), Not(HasSubstr("badge good")));
}

}  // namespace
}  // namespace belay::server
