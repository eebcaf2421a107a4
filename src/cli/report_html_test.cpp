#include "cli/report_html.hpp"

#include <gtest/gtest.h>

namespace belay::cli {
namespace {

std::string page(const json::Value& report) { return report_html("ro-0123456789abcdef0", report); }

bool has(const std::string& html, std::string_view part) { return html.find(part) != std::string::npos; }

TEST(ReportHtml, IsOnePageOfSectionsTablesAndLists) {
  const auto html =
      page(json::Object{{"Name", "october"},
                        {"State", "Halted"},
                        {"suspects", json::Array{json::Object{{"package", "nginx"}, {"owns_unit", true}},
                                                 json::Object{{"package", "openssl"}, {"why", "changed too"}}}},
                        {"what_to_change", json::Array{"exclude nginx", "lengthen the soak"}},
                        {"ring", json::Object{{"name", "dev"}, {"counts", json::Object{{"failed", 1}}}}},
                        {"failure_log", "one\ntwo"},
                        {"nothing", json::Array()},
                        {"Advice", json::Array{"add probes"}},
                        {"Failures", json::Array{json::Object{{"Why", "ill"}, {"Output", "a\nb"}}}}});
  EXPECT_TRUE(html.starts_with("<!doctype html>"));
  EXPECT_TRUE(html.ends_with("</html>\n"));
  EXPECT_TRUE(has(html, "<title>Rollout october ro-0123456789abcdef0</title>"));
  EXPECT_TRUE(has(html, "<dt>State</dt><dd><span class=\"bad\">Halted</span></dd>"));
  EXPECT_TRUE(has(html, "<h2>Suspects</h2>"));
  EXPECT_TRUE(has(html, "<th scope=\"col\">Owns unit</th>"));
  EXPECT_TRUE(has(html, "<td>openssl</td><td>-</td><td>changed too</td>"));
  EXPECT_TRUE(has(html, "<li>exclude nginx</li><li>lengthen the soak</li>"));
  EXPECT_TRUE(has(html, "<h3>Counts</h3>\n<dl><dt>Failed</dt><dd>1</dd>"));
  EXPECT_TRUE(has(html, "<dt>Failure log</dt><dd><pre>one\ntwo</pre></dd>"));
  EXPECT_TRUE(has(html, "<article><dl><dt>Why</dt><dd>ill</dd>\n<dt>Output</dt><dd><pre>a\nb</pre></dd>"));
  EXPECT_LT(html.find("<h2>Advice"), html.find("<h2>Failures")) << "what is read first stands first";
  EXPECT_LT(html.find("<h2>Failures"), html.find("<h2>What to change"));
  EXPECT_FALSE(has(html, "Nothing"));
}

TEST(ReportHtml, EscapesWhateverANodeSaid) {
  const std::string evil = "<script>alert('1')</script>\" onload=\"x\" & \x1b[31m";
  const auto html = page(json::Object{{"Name", evil},
                                      {evil, evil},
                                      {"list", json::Array{evil, json::Object{{evil, evil}}}},
                                      {"rows", json::Array{json::Object{{evil, evil + "\n" + evil}}}}});
  EXPECT_FALSE(has(html, "<script"));
  EXPECT_FALSE(has(html, "\" onload"));
  EXPECT_FALSE(has(html, "alert('1')"));
  EXPECT_FALSE(has(html, "\x1b"));
  EXPECT_TRUE(has(html, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; onload=&quot;x&quot; &amp; \\x1b[31m"));
}

TEST(ReportHtml, LoadsNothing) {
  const auto html = page(json::Object{{"url", "https://example.org/x.js"}});
  EXPECT_TRUE(has(html, "default-src 'none'"));
  for (const auto* part : {"src=", "href=", "url(", "@import"}) EXPECT_FALSE(has(html, part)) << part;
}

}  // namespace
}  // namespace belay::cli
