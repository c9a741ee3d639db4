import { AppLayout, Box, SideNavigation, type SideNavigationProps, Spinner, TopNavigation } from "@cloudscape-design/components";
import { Suspense, useState } from "react";
import { Navigate, Route, Routes, useLocation, useNavigate } from "react-router-dom";
import { useSession } from "../aws/session";
import { Flashes } from "../shared/flash";
import { Home } from "./Home";
import { PageErrors } from "./PageErrors";
import { regionName, REGIONS } from "./regions";
import { SERVICES } from "./services";
import { chooseTheme, storedTheme } from "./theme";

/** The frame around every page: the bar at the top, the service's navigation, the page. */
export function Shell() {
  const { session, setRegion, signOut } = useSession();
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const [theme, setTheme] = useState(storedTheme);
  const [navigationOpen, setNavigationOpen] = useState(innerWidth > 900);
  const service = SERVICES.find((one) => pathname === one.path || pathname.startsWith(one.path + "/"));

  function go(event: { preventDefault(): void; detail: { href?: string; external?: boolean } }) {
    if (event.detail.external || !event.detail.href) return;
    event.preventDefault();
    navigate(event.detail.href.replace(/^\/console/, "") || "/");
  }

  return (
    <>
      <div id="top" style={{ position: "sticky", top: 0, zIndex: 1002 }}>
        <TopNavigation
          identity={{ href: "/console/", title: "Undercast", logo: { src: "/console/icon.svg", alt: "" }, onFollow: (event) => go({ preventDefault: () => event.preventDefault(), detail: { href: "/console/" } }) }}
          utilities={[
            {
              type: "menu-dropdown",
              text: "Services",
              iconName: "menu",
              items: SERVICES.map((one) => ({ id: one.path, text: one.name, description: one.description })),
              onItemClick: ({ detail }) => navigate(detail.id),
            },
            {
              type: "button",
              iconName: theme === "dark" ? "star-filled" : "star",
              ariaLabel: theme === "dark" ? "Light mode" : "Dark mode",
              title: theme === "dark" ? "Light mode" : "Dark mode",
              text: theme === "dark" ? "Light" : "Dark",
              disableTextCollapse: false,
              onClick: () => {
                const other = theme === "dark" ? "light" : "dark";
                chooseTheme(other);
                setTheme(other);
              },
            },
            {
              type: "menu-dropdown",
              text: regionName(session.region),
              description: session.region,
              items: REGIONS.map((one) => ({ id: one.value, text: `${one.label} ${one.value}` })),
              onItemClick: ({ detail }) => setRegion(detail.id),
            },
            {
              type: "menu-dropdown",
              text: session.account,
              description: session.arn,
              iconName: "user-profile",
              items: [{ id: "sign-out", text: "Sign out" }],
              onItemClick: signOut,
            },
          ]}
          i18nStrings={{ overflowMenuTriggerText: "More", overflowMenuTitleText: "All", overflowMenuBackIconAriaLabel: "Back", overflowMenuDismissIconAriaLabel: "Close" }}
        />
      </div>
      <AppLayout
        headerSelector="#top"
        toolsHide
        navigationHide={!service}
        navigationOpen={navigationOpen}
        onNavigationChange={({ detail }) => setNavigationOpen(detail.open)}
        navigation={
          service && (
            <SideNavigation
              header={{ text: service.name, href: `/console${service.path}` }}
              activeHref={activeLink(service.navigation, `/console${pathname}`)}
              items={service.navigation}
              onFollow={go}
            />
          )
        }
        ariaLabels={{ navigation: "Service navigation", navigationToggle: "Open navigation", navigationClose: "Close navigation", notifications: "Notifications" }}
        notifications={<Flashes />}
        stickyNotifications
        content={
          <Suspense fallback={<Box textAlign="center" padding="xxl"><Spinner size="large" /></Box>}>
            <PageErrors key={pathname}>
              {/* A page of another region or account starts afresh. */}
              <Routes key={`${session.account}/${session.region}`}>
                <Route path="/" element={<Home />} />
                {SERVICES.map((one) => (
                  <Route key={one.path} path={`${one.path}/*`} element={<one.Pages />} />
                ))}
                <Route path="*" element={<Navigate to="/" replace />} />
              </Routes>
            </PageErrors>
          </Suspense>
        }
      />
    </>
  );
}

/** The link of the navigation that a page belongs to: its own, or that of the list it was opened from. */
function activeLink(items: SideNavigationProps.Item[], page: string): string {
  const links = items.flatMap((item) => ("items" in item ? item.items : item)).flatMap((item) => ("href" in item && item.href ? [item.href] : []));
  return links.find((href) => page === href || page.startsWith(`${href}/`)) ?? page;
}
