/** Small files of nginx, of the shapes that real ones have. */

const application = `
user www-data;
worker_processes 2;
events { worker_connections 768; }
http {
  sendfile on;
  keepalive_timeout 65;
  gzip on;
  gzip_min_length 1000;
  gzip_types text/css application/json;
  limit_req_zone $binary_remote_addr zone=login:10m rate=5r/s;
  proxy_cache_path DIR/cache levels=1:2 keys_zone=pages:10m max_size=1g inactive=60m;
  map $http_upgrade $connection_upgrade { default upgrade; '' close; }
  upstream app {
    least_conn;
    server 127.0.0.1:3000 weight=2 max_fails=3 fail_timeout=30s;
    server 127.0.0.1:3001 backup;
    keepalive 16;
  }
  server {
    listen 8088 default_server;
    server_name example.org www.example.org;
    server_tokens off;
    client_max_body_size 10m;
    add_header X-Frame-Options DENY always;
    add_header X-Content-Type-Options nosniff;
    error_page 404 /404.html;
    if ($host = www.example.org) { return 301 https://example.org$request_uri; }
    location = /healthz { access_log off; default_type text/plain; return 200 "ok"; }
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_hide_header X-Powered-By;
    }
    location /api/ {
      proxy_pass http://app/v2/;
      proxy_read_timeout 90s;
      proxy_connect_timeout 5s;
      proxy_next_upstream error http_502;
    }
    location ^~ /assets/ {
      proxy_pass http://app;
      proxy_cache pages;
      proxy_cache_valid 200 10m;
      proxy_cache_valid 404 1m;
      proxy_cache_key $scheme$host$uri;
      proxy_cache_use_stale error updating;
      expires 30d;
    }
    location ~* \\.(png|jpe?g)$ { proxy_pass http://app; add_header Cache-Control public; }
    location ~ /\\.(?!well-known) { deny all; }
    location /admin { allow 10.0.0.0/8; allow 192.0.2.7; deny all; proxy_pass http://app; }
    location /login { limit_req zone=login burst=10 nodelay; limit_req_status 429; proxy_pass http://app; }
    location /team { auth_basic "Team"; auth_basic_user_file /etc/nginx/htpasswd; proxy_pass http://app; }
    location /old { rewrite ^/old/(.*)$ /new/$1 permanent; }
    location /strip/ { rewrite ^/strip/(.*)$ /$1 break; proxy_pass http://app; }
    location /upload { limit_except GET { deny all; } proxy_pass http://app; }
    location /ws {
      proxy_pass http://app;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
    location /internal/ { internal; proxy_pass http://app; }
  }
}`;

/** As behind a balancer, with what sluice has nothing for. */
const behindBalancer = `
http {
  set_real_ip_from 10.0.0.0/8;
  real_ip_header X-Forwarded-For;
  server {
    listen 8080;
    server_name _;
    root /srv/www;
    index index.html;
    set $backend http://127.0.0.1:3000;
    location / { try_files $uri $uri/ /index.html; }
    location /api { proxy_pass $backend; satisfy any; allow 192.0.2.0/24; deny all; auth_request /check; }
    location = /check { internal; proxy_pass http://127.0.0.1:9000; proxy_pass_request_body off; }
    location ~ \\.php$ {
      fastcgi_pass unix:/run/php.sock;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
    }
    location /status { stub_status; access_log off; }
    if ($request_method !~ ^(GET|HEAD|POST)$) { return 405; }
  }
}`;

export const samples: Readonly<Record<string, string>> = {
  application,
  'behind a balancer': behindBalancer,
};
